"""The fake OpenAI's responses, through the real SDK: schema valid, stateful where the vendor is, and as strict."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI, BadRequestError
from openai.types.responses import Response, ResponseStreamEvent

from tests.vendors.faults import Fault
from tests.vendors.openai import OpenAIServer
from tests.vendors_selftest.conftest import unknown_fields

PATH = "/v1/responses"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
SEALED: Any = ["reasoning.encrypted_content"]


async def events(client: AsyncOpenAI, **options: Any) -> list[ResponseStreamEvent]:
    options = {"model": "gpt-4o-mini", "stream_options": {"include_obfuscation": False}} | options
    return [event async for event in await client.responses.create(stream=True, **options)]


async def test_a_response_echoes_and_counts(client: AsyncOpenAI) -> None:
    answer = await client.responses.create(model="gpt-4o-mini", input="hello there", instructions="Be brief.")
    assert unknown_fields(answer) == []
    assert answer.output_text == "openai/gpt-4o-mini echoes: hello there"
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


async def test_a_stream_says_what_the_whole_answer_says(client: AsyncOpenAI) -> None:
    seen = await events(client, input="hello there")
    assert [event for event in seen if unknown_fields(event)] == []
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    last = seen[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == text == "openai/gpt-4o-mini echoes: hello there"
    assert [event.type for event in seen[:4]] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]


async def test_padding_is_on_unless_it_is_declined(http: aiohttp.ClientSession) -> None:
    body = {"model": "gpt-4o-mini", "input": "x", "stream": True}
    async with http.post(PATH, json=body) as response:
        assert b'"obfuscation"' in await response.read()


async def test_a_tool_loop_over_stateless_calls(client: AsyncOpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "use get_weather"}]
    first = await client.responses.create(
        model="gpt-6-luna", input=asked, tools=[WEATHER], store=False, include=SEALED
    )  # fmt: skip
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    called = first.output[1]
    assert called.type == "function_call"
    back: list[Any] = [item.model_dump(exclude_none=True, by_alias=True) for item in first.output]
    result: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "rain"}
    second = await client.responses.create(model="gpt-6-luna", input=[*asked, *back, result], tools=[WEATHER])
    assert second.output_text == "openai/gpt-6-luna echoes: rain"


async def test_a_stored_response_can_be_continued_and_an_unstored_one_cannot(client: AsyncOpenAI) -> None:
    kept = await client.responses.create(model="gpt-4o-mini", input="one")
    lost = await client.responses.create(model="gpt-4o-mini", input="one", store=False)
    more = await client.responses.create(model="gpt-4o-mini", input="two", previous_response_id=kept.id)
    assert more.usage is not None
    assert kept.usage is not None
    assert more.usage.input_tokens > kept.usage.input_tokens
    with pytest.raises(BadRequestError) as caught:
        await client.responses.create(model="gpt-4o-mini", input="two", previous_response_id=lost.id)
    assert caught.value.code == "previous_response_not_found"


async def test_an_answer_that_is_too_long_is_incomplete(client: AsyncOpenAI) -> None:
    answer = await client.responses.create(model="gpt-4o-mini", input="word " * 60, max_output_tokens=16)
    assert (answer.status, answer.incomplete_details and answer.incomplete_details.reason) == (
        "incomplete",
        "max_output_tokens",
    )
    seen = await events(client, input="word " * 60, max_output_tokens=16)
    assert seen[-1].type == "response.incomplete"


async def test_refusals_and_schemas(client: AsyncOpenAI) -> None:
    refused = await client.responses.create(model="gpt-4o-mini", input="[refusal]")
    assert refused.output[0].type == "message"
    assert refused.output[0].content[0].type == "refusal"
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    schema["additionalProperties"] = False
    text: Any = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    answer = await client.responses.create(model="gpt-4o-mini", input="q", text=text)
    assert answer.output_text == '{"a":"openai/gpt-4o-mini echoes: q"}'


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_model_that_wants_no_tools_in_chats_takes_them_here(client: AsyncOpenAI, is_streamed: bool) -> None:
    options: dict[str, Any] = {"model": "gpt-5.6-luna", "input": "get_weather", "tools": [WEATHER]}
    if is_streamed:
        seen = await events(client, **options)
        assert seen[-1].type == "response.completed"
        answer: Response = seen[-1].response
    else:
        answer = await client.responses.create(**options)
    assert answer.output[-1].type == "function_call"


CASES: list[tuple[dict[str, Any], str | None, int]] = [
    ({"input": []}, "input", 400),
    ({"nope": 1}, None, 400),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}, "tools[0].function", 400),
    ({"tools": [WEATHER | {"name": "a b"}]}, "tools[0].name", 400),
    ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice", 400),
    ({"max_output_tokens": 15}, "max_output_tokens", 400),
    ({"temperature": 2.5}, "temperature", 400),
    ({"model": "gpt-6-luna", "temperature": 1.0}, "temperature", 400),
    ({"model": "gpt-6-astra", "reasoning": {"effort": "none"}}, "reasoning.effort", 400),
    ({"reasoning": {"effort": "low"}}, "reasoning.effort", 400),
    ({"include": SEALED}, "include", 400),
    ({"messages": []}, None, 400),
    ({"seed": 1}, None, 400),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input", 400),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}, "input", 400),
    ({"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}]}, "input[0]", 400),
    ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "input", 404),
    ({"text": {"format": {"type": "json_object"}}}, "input", 400),
    ({"previous_response_id": "resp_0"}, "previous_response_id", 400),
    ({"model": "tts-1"}, None, 404),
]


@pytest.mark.parametrize(("change", "param", "status"), CASES)
async def test_responses_refuse(
    vendor: OpenAIServer, http: aiohttp.ClientSession, change: dict[str, Any], param: str | None, status: int
) -> None:
    async with http.post(PATH, json={"model": "gpt-4o-mini", "input": "hello"} | change) as response:
        error = (await response.json())["error"]
    assert response.status == status, error
    if param is not None:
        assert error["param"] == param, error
    assert len(vendor.refused) == 1


async def test_an_error_in_the_stream_is_an_event_of_its_own(vendor: OpenAIServer, client: AsyncOpenAI) -> None:
    vendor.faults.add(Fault("error_event_in_200", path=PATH, after_events=3))
    seen = await events(client, input="hello")
    assert [event.type for event in seen][-1] == "error"


# ---------------------------------------------------------------- the legacy endpoint


async def test_a_completion_echoes_its_prompt(client: AsyncOpenAI) -> None:
    answer = await client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt=["a", "b"], echo=True, max_tokens=50
    )
    assert [choice.text for choice in answer.choices] == [
        "aopenai/gpt-3.5-turbo-instruct echoes: a",
        "bopenai/gpt-3.5-turbo-instruct echoes: b",
    ]


@pytest.mark.parametrize("change", [{"prompt": None}, {"n": 129}, {"prompt": [1, 2]}, {"messages": []}])
async def test_completions_refuse(http: aiohttp.ClientSession, change: dict[str, Any]) -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": "a"} | change
    async with http.post("/v1/completions", json=body) as response:
        assert response.status == 400


async def test_a_chat_model_serves_no_completions(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/completions", json={"model": "gpt-4o", "prompt": "a"}) as response:
        assert response.status == 403

"""The dialect openai.responses, through the official client: translated to every vendor, and untouched to its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from openai import APIConnectionError, BadRequestError
from openai.types.responses import Response, ResponseStreamEvent

from tests.plugins.chat_setup import Setup, chat_setup
from tests.vendors.faults import Fault
from tests.vendors_selftest.conftest import unknown_fields

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
CLOCK: Any = WEATHER | {"name": "get_time"}
SEALED: Any = ["reasoning.encrypted_content"]
NOVA = "bedrock/amazon.nova-lite-v1:0"
HAIKU = "bedrock/global.anthropic.claude-haiku-4-5-20251001-v1:0"
TRANSLATED = ["chats/gpt-4o-mini", NOVA]  # vendors that do not speak this format
ALL = ["both/gpt-4o-mini", *TRANSLATED]


@pytest_asyncio.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with chat_setup(tmp_path) as ready:
        yield ready
        assert [record.refusal for record in (*ready.openai.refused, *ready.bedrock.refused)] == []


async def streamed(setup: Setup, **options: Any) -> list[ResponseStreamEvent]:
    events = [event async for event in await setup.strict.responses.create(stream=True, **options)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return events


def last_response(events: list[ResponseStreamEvent]) -> Response:
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    return last.response


@pytest.mark.parametrize("model", ALL)
async def test_a_text_is_answered_by_every_vendor(setup: Setup, model: str) -> None:
    answer = await setup.strict.responses.create(model=model, input="hello there", instructions="Be brief.")
    assert unknown_fields(answer) == []
    assert answer.output_text.endswith("echoes: hello there")
    assert (answer.status, answer.model) == ("completed", model.partition("/")[2])
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


@pytest.mark.parametrize("model", TRANSLATED)
async def test_a_stream_says_what_the_whole_answer_says(setup: Setup, model: str) -> None:
    whole = await setup.strict.responses.create(model=model, input="hello there")
    events = await streamed(setup, model=model, input="hello there")
    assert [event for event in events if unknown_fields(event)] == []
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text == last_response(events).output_text
    assert last_response(events).usage == whole.usage
    kinds = [event.type for event in events if not event.type.endswith(".delta")]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_parallel_tools_go_out_and_their_results_come_back(setup: Setup, model: str, is_streamed: bool) -> None:
    asked: list[Any] = [{"role": "user", "content": "get_weather and get_time"}]
    options: dict[str, Any] = {"model": model, "input": asked, "tools": [WEATHER, CLOCK]}
    if is_streamed:
        answer = last_response(await streamed(setup, **options))
    else:
        answer = await setup.strict.responses.create(**options)
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert [set(json.loads(call.arguments)) for call in calls] == [{"city"}, {"city"}]
    back: list[Any] = [item.model_dump(exclude_none=True) for item in answer.output]
    results: list[Any] = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name} done"} for call in calls
    ]
    more = await setup.strict.responses.create(
        model=model, input=[*asked, *back, *results], tools=[WEATHER, CLOCK], store=False
    )
    assert more.output_text.endswith("get_weather done get_time done")


@pytest.mark.parametrize("model", TRANSLATED)
async def test_tool_choice_and_structured_output_are_asked_for(setup: Setup, model: str) -> None:
    forced = await setup.strict.responses.create(
        model=model, input="hello", tools=[WEATHER, CLOCK], tool_choice={"type": "function", "name": "get_time"}
    )
    assert [item.name for item in forced.output if item.type == "function_call"] == ["get_time"]
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    text: Any = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    answer = await setup.strict.responses.create(model=model, input="hello", text=text)
    assert set(json.loads(answer.output_text)) == {"a"}


@pytest.mark.parametrize("model", ALL)
async def test_images_are_shown(setup: Setup, model: str) -> None:
    image = "data:image/png;base64,iVBORw0KGgo="
    parts: Any = [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": image, "detail": "auto"}]
    answer = await setup.strict.responses.create(model=model, input=[{"role": "user", "content": parts}])
    assert answer.output_text.endswith("echoes: see")


@pytest.mark.parametrize("model", TRANSLATED)
async def test_an_answer_that_was_too_long_is_incomplete(setup: Setup, model: str) -> None:
    answer = await setup.strict.responses.create(model=model, input="word " * 60, max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    events = await streamed(setup, model=model, input="word " * 60, max_output_tokens=16)
    assert events[-1].type == "response.incomplete"


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_reasoning_of_another_vendor_comes_back_to_it_unchanged(setup: Setup, is_streamed: bool) -> None:
    options: dict[str, Any] = {"model": HAIKU, "reasoning": {"effort": "low"}, "tools": [WEATHER]}
    asked: list[Any] = [{"role": "user", "content": "get_weather"}]
    if is_streamed:
        events = await streamed(setup, **options, input=asked)
        assert any(event.type == "response.reasoning_summary_text.delta" for event in events)
        first = last_response(events)
    else:
        first = await setup.strict.responses.create(**options, input=asked)
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    thought, called = first.output
    assert thought.type == "reasoning"
    assert called.type == "function_call"
    assert thought.summary[0].text == "The user wants an echo."
    back: list[Any] = [item.model_dump(exclude_none=True) for item in first.output]
    result: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "rain"}
    second = await setup.strict.responses.create(**options, input=[*asked, *back, result])
    assert second.output_text.endswith("rain")
    sent = setup.bedrock.requests[-1].json()["messages"][1]["content"][0]
    assert sent["reasoningContent"]["reasoningText"]["signature"].startswith("sig_")


@pytest.mark.parametrize("effort", ["low", "high"])
async def test_reasoning_of_the_formats_own_vendor_keeps_its_id_where_it_is_translated(
    setup: Setup, effort: Literal["low", "high"]
) -> None:
    client = setup.strict.with_options(base_url=f"{setup.gateway.url}/translated")
    options: Any = {"model": "both/gpt-6-luna", "reasoning": {"effort": effort, "summary": "auto"}, "tools": [WEATHER]}
    asked: list[Any] = [{"role": "user", "content": "get_weather"}]
    async with client.responses.stream(input=asked, **options) as stream:  # raises where an item changes its id
        events = [event async for event in stream]
        first = await stream.get_final_response()
    opened = [event.item.model_dump()["id"] for event in events if event.type == "response.output_item.added"]
    assert opened == [item.model_dump()["id"] for item in first.output]
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    back: list[Any] = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    result: Any = {"type": "function_call_output", "call_id": back[1]["call_id"], "output": "rain"}
    second = await client.responses.create(input=[*asked, *back, result], **options)
    assert second.output_text.endswith("rain")


async def test_a_conversation_with_foreign_reasoning_can_go_on_at_the_formats_own_vendor(setup: Setup) -> None:
    asked: list[Any] = [{"role": "user", "content": "get_weather"}]
    first = await setup.strict.responses.create(
        model=HAIKU, reasoning={"effort": "low"}, tools=[WEATHER], input=asked, metadata={"a": "b"}
    )
    back: list[Any] = [item.model_dump(exclude_none=True) for item in first.output]
    result: Any = {"type": "function_call_output", "call_id": back[1]["call_id"], "output": "rain"}
    second = await setup.strict.responses.create(
        model="both/gpt-5.4", tools=[WEATHER], input=[*asked, *back, result], metadata={"a": "b"}
    )
    assert second.output_text.endswith("rain")
    sent = setup.openai.requests[-1].json()
    assert [item["type"] for item in sent["input"]] == ["message", "function_call", "function_call_output"]
    assert (sent["metadata"], sent["store"]) == ({"a": "b"}, False)


# ---------------------------------------------------------------- untouched


async def test_bytes_pass_both_ways_but_for_the_model(setup: Setup) -> None:
    raw = await setup.client.responses.with_raw_response.create(
        model="both/gpt-6-luna",
        input="hello",
        include=SEALED,
        text={"verbosity": "low"},
        extra_headers={"accept-encoding": "identity"},
    )
    record = setup.openai.requests[-1]
    assert record.path == "/v1/responses"
    assert record.json()["model"] == "gpt-6-luna"
    assert record.json()["text"] == {"verbosity": "low"}
    body = json.loads(raw.content)
    assert body["id"].startswith("resp_0")  # the vendor's own
    assert raw.headers["x-gateway-provider"] == "both"
    assert "x-gateway-dropped" not in raw.headers


async def test_a_vendors_memory_serves_where_its_own_format_is_spoken(setup: Setup) -> None:
    first = await setup.strict.responses.create(model="responses/gpt-4o-mini", input="one")
    second = await setup.strict.responses.create(
        model="responses/gpt-4o-mini", input="two", previous_response_id=first.id, store=True
    )
    assert second.previous_response_id == first.id


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "custom", "name": "c"}]}, "tools[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
    ],
)
@pytest.mark.parametrize("model", TRANSLATED)
async def test_what_needs_the_vendors_own_format_is_refused_by_name(
    setup: Setup, model: str, change: dict[str, Any], field: str
) -> None:
    options: dict[str, Any] = {"model": model, "input": "hello"}
    with pytest.raises(BadRequestError) as caught:
        await setup.client.responses.create(**(options | change))
    assert caught.value.param == field
    assert field in caught.value.message
    assert "own format is openai.responses" in caught.value.message
    assert not setup.openai.requests
    assert not setup.bedrock.requests


async def test_a_parameter_that_gets_lost_is_told(setup: Setup) -> None:
    raw = await setup.client.responses.with_raw_response.create(
        model=NOVA, input="hello", truncation="auto", user="u", metadata={"a": "b"}
    )
    assert raw.headers["x-gateway-dropped"] == "metadata,truncation,user"


# ---------------------------------------------------------------- bad input and failures


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
        ({"input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
        ({"input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"input": "x", "reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"input": "x", "temperature": 3}, "temperature"),
        ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
    ],
)
async def test_a_wrong_field_is_named(setup: Setup, body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        await setup.client.post("/responses", cast_to=object, body={"model": "chats/gpt-4o-mini"} | body)
    assert caught.value.param == param


@pytest.mark.parametrize("model", ALL)
async def test_a_stream_that_breaks_ends_with_a_numbered_error(setup: Setup, model: str) -> None:
    vendor = setup.bedrock if model == NOVA else setup.openai
    vendor.faults.add(Fault("cut_mid_stream", after_events=6))
    events: list[Any] = []
    stream = await setup.client.responses.create(model=model, input="a b c d e f g", stream=True)
    with pytest.raises(APIConnectionError):
        await _collect(stream, events)
    assert events[-1].type == "error"
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def _collect(stream: AsyncIterable[Any], events: list[Any]) -> None:
    async for event in stream:
        events.append(event)


async def test_an_error_before_the_first_content_is_a_status(setup: Setup) -> None:
    setup.openai.faults.add(Fault("status", status=400, message="no"))
    with pytest.raises(BadRequestError, match="no"):
        await setup.client.responses.create(model="chats/gpt-4o-mini", input="hello", stream=True)
    setup.openai.requests.clear()

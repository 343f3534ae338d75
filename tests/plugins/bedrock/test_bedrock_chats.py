"""The plugin bedrock against the strict fake, by the official OpenAI client: signed, translated, streamed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI, BadRequestError

from tests.harness import inside
from tests.plugins.chat_setup import ROUTES, Setup, chat_setup
from tests.vendors.bedrock import API_KEY, BedrockServer
from tests.vendors.faults import Fault

NOVA = "bedrock/amazon.nova-lite-v1:0"
HAIKU = "bedrock/global.anthropic.claude-haiku-4-5-20251001-v1:0"
HELLO: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello there"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
CLOCK: Any = {"type": "function", "function": {"name": "get_time", "description": "", "parameters": SCHEMA}}


@pytest_asyncio.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with chat_setup(tmp_path) as ready:
        yield ready
        assert [record.refusal for record in ready.bedrock.refused] == []


async def test_a_chat_is_signed_and_answered(setup: Setup) -> None:
    answer = await setup.strict.chat.completions.create(
        model=NOVA, messages=HELLO, temperature=0.5, top_p=0.9, stop=["zzz"], max_tokens=500
    )
    assert answer.choices[0].message.content == "bedrock/amazon.nova-lite-v1:0 echoes: hello there"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    record = setup.bedrock.requests[-1]
    assert record.target == "/model/amazon.nova-lite-v1%3A0/converse"
    assert (record.header("authorization") or "").startswith("AWS4-HMAC-SHA256 ")
    assert record.json() == {
        "messages": [{"role": "user", "content": [{"text": "hello there"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 500, "temperature": 0.5, "topP": 0.9, "stopSequences": ["zzz"]},
    }


async def test_a_stream_says_what_the_whole_answer_says(setup: Setup) -> None:
    stream = await setup.strict.chat.completions.create(
        model=NOVA, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "bedrock/amazon.nova-lite-v1:0 echoes: hello there"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_parallel_tools_go_out_and_their_results_come_back(setup: Setup, is_streamed: bool) -> None:
    question: list[Any] = [{"role": "user", "content": "get_weather and get_time"}]
    options: dict[str, Any] = {"model": NOVA, "tools": [WEATHER, CLOCK]}
    if is_streamed:
        pieces: dict[int, list[str]] = {}
        ids: dict[int, str] = {}
        async for chunk in await setup.strict.chat.completions.create(**options, messages=question, stream=True):
            for delta in chunk.choices[0].delta.tool_calls or ():
                ids[delta.index] = delta.id or ids[delta.index]
                assert delta.function is not None
                pieces.setdefault(delta.index, []).append(delta.function.arguments or "")
        found = [(ids[index], "".join(pieces[index])) for index in sorted(ids)]
    else:
        message = (await setup.strict.chat.completions.create(**options, messages=question)).choices[0].message
        found = [(call.id, call.function.arguments) for call in message.tool_calls or () if call.type == "function"]
    assert [set(json.loads(arguments)) for _, arguments in found] == [{"city"}, {"city"}]
    calls = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for (id, arguments), name in zip(found, ("get_weather", "get_time"), strict=True)
    ]
    results = [{"role": "tool", "tool_call_id": id, "content": "done"} for id, _ in found]
    last: Any = [*question, {"role": "assistant", "tool_calls": calls}, *results]
    answer = await setup.strict.chat.completions.create(**options, messages=last)
    assert (answer.choices[0].message.content or "").endswith("done done")


@pytest.mark.parametrize(("choice", "called"), [("required", "get_weather"), ("none", None)])
async def test_a_tool_choice_is_honoured(setup: Setup, choice: Any, called: str | None) -> None:
    answer = await setup.strict.chat.completions.create(model=NOVA, messages=HELLO, tools=[WEATHER], tool_choice=choice)
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ([called] if called else [])


async def test_structured_output_goes_as_a_schema_in_text(setup: Setup) -> None:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    answer = await setup.strict.chat.completions.create(model=NOVA, messages=HELLO, response_format=wanted)
    assert set(json.loads(answer.choices[0].message.content or "")) == {"city"}


async def test_images_and_documents_are_shown(setup: Setup) -> None:
    parts: Any = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "file", "file": {"filename": "my_plan (v2).pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
    ]
    await setup.strict.chat.completions.create(model=NOVA, messages=[{"role": "user", "content": parts}])
    sent = setup.bedrock.requests[-1].json()["messages"][0]["content"]
    assert sent[1]["image"]["format"] == "png"
    assert (sent[2]["document"]["format"], sent[2]["document"]["name"]) == ("pdf", "my plan (v2)")


async def test_an_effort_that_the_model_knows_is_asked_for(setup: Setup) -> None:
    raw = await setup.client.chat.completions.with_raw_response.create(
        model=HAIKU, messages=HELLO, reasoning_effort="low"
    )
    assert setup.bedrock.requests[-1].json()["outputConfig"] == {"effort": "low"}
    assert "x-gateway-dropped" not in raw.headers


async def test_what_converse_cannot_say_is_left_out_and_told(setup: Setup) -> None:
    raw = await setup.client.chat.completions.with_raw_response.create(
        model=NOVA, messages=HELLO, temperature=1.5, seed=1, reasoning_effort="low", user="u", logprobs=True
    )
    assert raw.headers["x-gateway-dropped"] == "logprobs,reasoning_effort,seed,temperature,user"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 2}, "takes no n"),
        ({"response_format": {"type": "json_object"}}, "takes no response_format"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}
                ]
            },
            "no image or file by URL",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,AAAA"}}],
                    }
                ]
            },
            "takes no image of type image/bmp",
        ),
        ({"messages": [{"role": "system", "content": "x"}]}, "needs a message of the user's"),
        (
            {
                "messages": [
                    *HELLO,
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{bad"}}],
                    },
                    {"role": "tool", "tool_call_id": "c", "content": "x"},
                ],
                "tools": [WEATHER],
            },
            "tool 'f' was given is not JSON",
        ),
    ],
)
async def test_what_converse_cannot_take_is_a_400(setup: Setup, change: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        await setup.client.chat.completions.create(**({"model": NOVA, "messages": HELLO} | change))
    assert message in caught.value.message
    assert not setup.bedrock.requests


async def test_a_text_model_is_not_sent_images(setup: Setup) -> None:
    part: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(BadRequestError, match="takes no image input; it takes text"):
        await setup.client.chat.completions.create(
            model="bedrock/amazon.nova-micro-v1:0", messages=[{"role": "user", "content": [part]}]
        )


async def test_foreign_tool_ids_fit(setup: Setup) -> None:
    id = "call/" + "x" * 80
    calls = [{"id": id, "type": "function", "function": {"name": "get_weather", "arguments": ""}}]
    last: Any = [
        *HELLO,
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": id, "content": "a"},
    ]
    await setup.strict.chat.completions.create(model=NOVA, messages=last, tools=[WEATHER])


async def test_an_api_key_stands_for_a_signature(tmp_path: Path) -> None:
    async with BedrockServer() as vendor:
        row = f"""
version: 1
providers:
  b:
    plugin: bedrock
    base_url: {vendor.origin}
    credentials: {{api_key: {API_KEY}}}
    options: {{auth: bearer}}
    models: {{"amazon.nova-lite-v1:0": {{operation: chat}}}}
"""
        async with (
            inside(tmp_path, row, ROUTES) as gateway,
            AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0) as client,
        ):
            await client.chat.completions.create(model="b/amazon.nova-lite-v1:0", messages=HELLO)
        assert vendor.refused == []


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("status", status=429, retry_after_s=20), 429),
        (Fault("status", status=400, code="ServiceQuotaExceededException"), 429),
        (Fault("status", status=400), 400),
        (Fault("status", status=403), 502),
        (Fault("status", status=404), 404),
        (Fault("status", status=400, message="The provided model identifier is invalid."), 404),
        (Fault("status", status=408), 504),
        (Fault("status", status=424), 502),
        (Fault("status", status=503), 503),
        (Fault("html", status=502), 503),
        (Fault("truncated_json"), 502),
    ],
)
async def test_errors_have_the_right_status_and_blame(setup: Setup, fault: Fault, status: int) -> None:
    setup.bedrock.faults.add(replace(fault, times=None))
    with pytest.raises(openai.APIStatusError) as caught:
        await setup.client.chat.completions.create(model=NOVA, messages=HELLO)
    assert caught.value.status_code == status, caught.value.message


@pytest.mark.parametrize("kind", ["cut_mid_stream", "cut_without_terminator", "malformed_event", "error_event_in_200"])
async def test_a_stream_that_breaks_never_looks_complete(setup: Setup, kind: Any) -> None:
    setup.bedrock.faults.add(Fault(kind, status=503, after_events=3))
    with pytest.raises((openai.APIError, openai.APIConnectionError)):
        async for _ in await setup.client.chat.completions.create(model=NOVA, messages=HELLO, stream=True):
            pass


async def test_a_guardrail_is_a_content_filter(setup: Setup) -> None:
    answer = await setup.strict.chat.completions.create(
        model=NOVA, messages=[{"role": "user", "content": "so [guardrail] it ends"}]
    )
    assert answer.choices[0].finish_reason == "content_filter"

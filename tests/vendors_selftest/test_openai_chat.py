"""The fake OpenAI's chat, through the real SDK: every answer is schema valid, deterministic and countable."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from tests.vendors.openai import OpenAIServer
from tests.vendors_selftest.conftest import unknown_fields

HELLO: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello there"}]
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK: dict[str, Any] = {"type": "function", "function": {"name": "get_time"}}


async def chunks(client: AsyncOpenAI, **options: Any) -> list[ChatCompletionChunk]:
    options = {"model": "gpt-4o-mini", "messages": HELLO} | options
    return [chunk async for chunk in await client.chat.completions.create(stream=True, **options)]


async def test_chat_echoes_the_last_user_text_and_counts_it(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert unknown_fields(answer) == []
    assert answer.choices[0].message.content == "openai/gpt-4o-mini echoes: hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    # (4 + 9 bytes / 4) + (4 + 11 bytes / 4), and 38 bytes / 4, each rounded up
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (14, 10, 24)


async def test_headers_identify_the_request_and_tell_limits(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert raw.headers["x-request-id"] == "req_00000001"
    assert {"openai-processing-ms", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests"} <= set(raw.headers)


async def test_stream_carries_the_same_text_and_usage_only_when_asked(client: AsyncOpenAI) -> None:
    plain = await chunks(client)
    counted = await chunks(client, stream_options={"include_usage": True})
    assert all(unknown_fields(chunk) == [] for chunk in plain + counted)
    for found in (plain, counted):
        text = "".join(chunk.choices[0].delta.content or "" for chunk in found if chunk.choices)
        assert text == "openai/gpt-4o-mini echoes: hello there"
    assert all("usage" not in chunk.model_fields_set for chunk in plain)
    assert [chunk.usage is None for chunk in counted] == [True] * (len(counted) - 1) + [False]
    assert all("usage" in chunk.model_fields_set for chunk in counted)
    assert counted[-1].choices == []
    assert counted[-1].usage is not None
    assert counted[-1].usage.total_tokens == 24


async def test_n_choices_are_numbered_and_all_counted(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.choices[2].message.content == "openai/gpt-4o-mini echoes: hello there (#2)"
    streamed = await chunks(client, n=3)
    ends = [c.choices[0].index for c in streamed if c.choices[0].finish_reason]
    assert ends == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "content", "reason"),
    [
        ({"max_tokens": 3}, "openai/gpt-4", "length"),
        ({"stop": ["echoes", "zzz"]}, "openai/gpt-4o-mini ", "stop"),
        (
            {"messages": [{"role": "user", "content": "a[content_filter]b"}]},
            "openai/gpt-4o-mini echoes: a",
            "content_filter",
        ),
    ],
)
async def test_finish_reasons(client: AsyncOpenAI, options: dict[str, Any], content: str, reason: str) -> None:
    request: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HELLO} | options
    choice = (await client.chat.completions.create(**request)).choices[0]
    assert (choice.message.content, choice.finish_reason) == (content, reason)
    streamed = await chunks(client, **request)
    assert "".join(c.choices[0].delta.content or "" for c in streamed) == content
    assert streamed[-1].choices[0].finish_reason == reason


async def test_refusals_come_in_their_own_field(client: AsyncOpenAI) -> None:
    request: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "[refusal]"}]}
    message = (await client.chat.completions.create(**request)).choices[0].message
    assert message.content is None
    assert message.refusal
    streamed = await chunks(client, **request)
    assert "".join(c.choices[0].delta.refusal or "" for c in streamed) == message.refusal


async def test_tools_named_in_the_text_are_called_in_parallel(client: AsyncOpenAI) -> None:
    text = "get_weather and get_time"
    request: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": text}],
        "tools": [WEATHER, CLOCK],
    }
    choice = (await client.chat.completions.create(**request)).choices[0]
    assert choice.finish_reason == "tool_calls"
    calls: Any = choice.message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0].function.arguments) == {"city": text}

    assembled: dict[int, list[str]] = {}
    for chunk in await chunks(client, **request):
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.function is not None
            assembled.setdefault(call.index, []).append(call.function.arguments or "")
    assert ["".join(parts) for parts in assembled.values()] == [call.function.arguments for call in calls]

    answered = [
        *request["messages"],
        {"role": "assistant", "tool_calls": [call.model_dump() for call in calls]},
        *({"role": "tool", "tool_call_id": call.id, "content": f"result {i}"} for i, call in enumerate(calls)),
    ]
    last = await client.chat.completions.create(**request | {"messages": answered})
    assert last.choices[0].message.content == "openai/gpt-4o-mini echoes: result 0 result 1"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"tool_choice": "none"}, []),
        ({"tool_choice": "auto"}, []),
        ({"tool_choice": "required"}, ["get_weather"]),
        ({"tool_choice": {"type": "function", "function": {"name": "get_time"}}}, ["get_time"]),
        (
            {"messages": [{"role": "user", "content": "get_time get_weather"}], "parallel_tool_calls": False},
            ["get_weather"],
        ),
    ],
)
async def test_tool_choice_decides(client: AsyncOpenAI, options: dict[str, Any], names: list[str]) -> None:
    request: dict[str, Any] = {"model": "gpt-4o-mini", "messages": HELLO, "tools": [WEATHER, CLOCK]} | options
    calls: Any = (await client.chat.completions.create(**request)).choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == names


async def test_structured_answers_are_instances_of_the_schema(client: AsyncOpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "kind": {"enum": ["a", "b"]}},
        "required": ["name", "age", "kind"],
        "additionalProperties": False,
    }
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, response_format=wanted)
    instance = json.loads(answer.choices[0].message.content or "")
    jsonschema.validate(instance, schema)
    assert instance["name"].endswith("hello there")


async def test_reasoning_counts_into_completion_tokens(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="gpt-6-luna", messages=HELLO, reasoning_effort="high")
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 64
    assert answer.usage.completion_tokens == 64 + 10  # "openai/gpt-6-luna echoes: hello there", 37 bytes


async def test_a_repeated_long_prompt_is_cached_in_steps_of_128(client: AsyncOpenAI, vendor: OpenAIServer) -> None:
    messages: list[Any] = [{"role": "user", "content": "x" * 4800}]

    async def cached_tokens() -> int | None:
        usage = (await client.chat.completions.create(model="gpt-4o-mini", messages=messages)).usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens

    assert [await cached_tokens(), await cached_tokens()] == [0, 1152]
    vendor.reset()
    assert await cached_tokens() == 0


async def test_logprobs_cover_the_whole_text(client: AsyncOpenAI) -> None:
    options: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **options)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(entry.token for entry in logprobs.content) == answer.choices[0].message.content
    assert all(len(entry.top_logprobs) == 2 for entry in logprobs.content)

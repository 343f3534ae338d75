"""The fake Anthropic, through the real SDK: it answers, counts and refuses as told, and knows its own thinking."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest
import pytest_asyncio
from anthropic import AsyncAnthropic

from tests.vendors.anthropic import API_KEY, AnthropicServer
from tests.vendors.faults import Fault

WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
HAIKU: Any = {"model": "claude-haiku-4-5"}
THINK: Any = {"type": "enabled", "budget_tokens": 1024}


@pytest_asyncio.fixture
async def claude() -> AsyncIterator[AnthropicServer]:
    async with AnthropicServer() as server:
        yield server


@pytest_asyncio.fixture
async def sdk(claude: AnthropicServer) -> AsyncIterator[AsyncAnthropic]:
    options: dict[str, Any] = {"max_retries": 0, "_strict_response_validation": True}
    async with AsyncAnthropic(base_url=claude.origin, api_key=API_KEY, **options) as client:
        yield client


async def refused(sdk: AsyncAnthropic, **changes: Any) -> str:
    """Return why a request is refused."""
    body = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": HELLO} | changes
    with pytest.raises(anthropic.BadRequestError) as caught:
        await sdk.post("/v1/messages", body=body, cast_to=object)
    message: str = caught.value.body["error"]["message"]  # type: ignore[index]
    return message


async def test_a_message_echoes_the_last_text_and_counts_it(sdk: AsyncAnthropic) -> None:
    answer = await sdk.messages.create(model="claude-sonnet-5-5", max_tokens=50, messages=HELLO)

    assert answer.content[0].type == "text"
    assert answer.content[0].text == "anthropic/claude-sonnet-5-5 echoes: hello there"
    # 4 + 11 bytes / 4, and 47 bytes / 4, each rounded up
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 12)
    counted = await sdk.messages.count_tokens(model="claude-sonnet-5-5", messages=HELLO)
    assert counted.input_tokens == 7


async def test_a_stream_is_framed_with_names_and_says_the_same(sdk: AsyncAnthropic, claude: AnthropicServer) -> None:
    whole = await sdk.messages.create(model="claude-sonnet-5-5", max_tokens=50, messages=HELLO)
    async with sdk.messages.stream(model="claude-sonnet-5-5", max_tokens=50, messages=HELLO) as stream:
        streamed = await stream.get_final_message()

    assert [block.model_dump() for block in streamed.content] == [block.model_dump() for block in whole.content]
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    async with aiohttp.ClientSession() as http:
        headers = {"x-api-key": API_KEY, "anthropic-version": "2026-10-21"}
        body = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": HELLO, "stream": True}
        async with http.post(f"{claude.base_url}/messages", json=body, headers=headers) as response:
            lines = (await response.read()).split(b"\n\n")
    assert lines[0].startswith(b"event: message_start\ndata: ")
    assert lines[2] == b'event: ping\ndata: {"type":"ping"}'
    assert lines[-2:] == [b'event: message_stop\ndata: {"type":"message_stop"}', b""]


@pytest.mark.parametrize(
    ("options", "reason", "text"),
    [
        ({"max_tokens": 3}, "max_tokens", "anthropic/cl"),
        ({"stop_sequences": ["echoes"]}, "stop_sequence", "anthropic/claude-sonnet-5-5 "),
        ({"messages": [{"role": "user", "content": "[refusal]"}]}, "refusal", ""),
    ],
)
async def test_an_answer_ends_for_its_reason(
    sdk: AsyncAnthropic, options: dict[str, Any], reason: str, text: str
) -> None:
    asked: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": HELLO}
    answer = await sdk.messages.create(**asked | options)

    assert answer.stop_reason == reason
    assert "".join(block.text for block in answer.content if block.type == "text") == text


async def test_a_marked_prompt_is_written_to_the_cache_and_then_read(sdk: AsyncAnthropic) -> None:
    system: Any = [{"type": "text", "text": "long " * 1000, "cache_control": {"type": "ephemeral"}}]
    asked: Any = {"model": "claude-sonnet-5-5", "max_tokens": 5, "system": system, "messages": HELLO}
    first = (await sdk.messages.create(**asked)).usage
    second = (await sdk.messages.create(**asked)).usage

    assert (first.input_tokens, first.cache_creation_input_tokens, first.cache_read_input_tokens) == (7, 1250, 0)
    assert (second.input_tokens, second.cache_creation_input_tokens, second.cache_read_input_tokens) == (7, 0, 1250)


async def test_structured_output_is_valid(sdk: AsyncAnthropic) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    answer = await sdk.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=50,
        messages=HELLO,
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )

    assert answer.content[0].type == "text"
    assert json.loads(answer.content[0].text) == {"n": 1}


# ---------------------------------------------------------------- refusals

CALL: Any = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}
RESULT: Any = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}
TEXT: Any = {"type": "text", "text": "x"}


def said(*turns: tuple[str, list[Any]]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 1}, "temperature: Extra inputs are not permitted"),
        ({"nope": 1}, "nope: Extra inputs are not permitted"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": " "}]}, "non-whitespace"),
        ({"stop_sequences": ["\n"]}, "stop_sequences"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"metadata": {"user": "x"}}, "metadata.user"),
        ({"max_tokens": 200_000}, "maximum allowed"),
        (said(("user", [TEXT]), ("assistant", [TEXT])), "prefill"),
        (said(("user", [TEXT]), ("assistant", [CALL]), ("user", [TEXT])), "without `tool_result`"),
        (said(("user", [TEXT]), ("assistant", [CALL])), "without `tool_result`"),
        (said(("user", [RESULT])), "unexpected `tool_use_id`"),
        (said(("user", [TEXT]), ("assistant", [CALL]), ("user", [TEXT, RESULT])), "must come first"),
        (said(("user", [{"type": "image", "source": {"type": "url"}}])), "source"),
        (
            said(
                ("user", [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}])
            ),
            "does not match",
        ),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "should match pattern"),
        ({"tools": [{"name": "a", "input_schema": {}}]}, "input_schema.type"),
        ({"tools": [WEATHER, WEATHER]}, "unique"),
        ({"tool_choice": {"type": "auto"}}, "providing tools"),
        ({"tools": [WEATHER], "tool_choice": "auto"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}}, "not found in provided tools"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1000}, "max_tokens": 2000} | HAIKU, "budget_tokens"),
        ({"thinking": THINK, "max_tokens": 2000}, "not supported for this model"),
        ({"thinking": {"type": "disabled"}, "model": "claude-opus-5-5"}, "not supported for this model"),
        (said(("user", [TEXT]), ("system", [TEXT]), ("user", [TEXT])), "must follow a user message"),
        ({"thinking": THINK, "max_tokens": 1024} | HAIKU, "must be greater than"),
        (
            {"thinking": THINK, "max_tokens": 2000, "tools": [WEATHER], "tool_choice": {"type": "any"}} | HAIKU,
            "forces tool use",
        ),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}, "additionalProperties"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}, "name": "x"}}}, "name"),
    ],
)
async def test_what_the_api_refuses_is_refused(sdk: AsyncAnthropic, changes: dict[str, Any], message: str) -> None:
    assert message in await refused(sdk, **changes)


async def test_the_older_version_takes_sampling_and_no_system_turns(sdk: AsyncAnthropic) -> None:
    old = sdk.with_options(default_headers={"anthropic-version": "2023-06-01"})
    body: Any = {"model": "claude-sonnet-4-6", "max_tokens": 5, "messages": HELLO, "temperature": 0.5}
    await old.post("/v1/messages", body=body, cast_to=object)

    assert "between 0 and 1" in await refused(old, model="claude-sonnet-4-6", temperature=1.5)
    assert "Extra inputs" in await refused(old, temperature=0.5)
    late = [*HELLO, {"role": "system", "content": "x"}]
    assert "not supported" in await refused(old, messages=late)
    assert "not supported" in await refused(sdk, model="claude-sonnet-4-6", messages=late)
    await sdk.messages.create(model="claude-sonnet-5-5", max_tokens=5, messages=late)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"anthropic-version": "2026-10-21"}, 401),
        ({"x-api-key": "wrong", "authorization": f"Bearer {API_KEY}", "anthropic-version": "2026-10-21"}, 401),
        ({"x-api-key": API_KEY}, 400),
        ({"x-api-key": API_KEY, "anthropic-version": "2024-01-01"}, 400),
        ({"authorization": f"Bearer {API_KEY}", "anthropic-version": "2023-06-01"}, 200),
    ],
)
async def test_headers_have_to_be_right(claude: AnthropicServer, headers: dict[str, str], status: int) -> None:
    body = {"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": HELLO}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{claude.base_url}/messages", json=body, headers=headers) as response:
            assert response.status == status
            assert response.headers["request-id"]


# ---------------------------------------------------------------- thinking


async def _thought(sdk: AsyncAnthropic) -> tuple[Any, list[Any]]:
    asked: Any = {"role": "user", "content": "get_weather"}
    answer = await sdk.messages.create(
        model="claude-haiku-4-5",
        max_tokens=2000,
        messages=[asked],
        tools=[WEATHER],
        thinking=THINK,
    )
    return asked, [block.model_dump(exclude_none=True) for block in answer.content]


async def _go_on(sdk: AsyncAnthropic, asked: Any, content: list[Any]) -> None:
    result: Any = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "sunny"}
    messages: Any = [asked, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    await sdk.messages.create(
        model="claude-haiku-4-5", max_tokens=2000, messages=messages, tools=[WEATHER], thinking=THINK
    )


async def test_thinking_that_comes_back_unchanged_is_taken(sdk: AsyncAnthropic) -> None:
    asked, content = await _thought(sdk)
    assert [block["type"] for block in content] == ["thinking", "tool_use"]
    await _go_on(sdk, asked, content)


@pytest.mark.parametrize("change", ["lost", "text", "signature"])
async def test_thinking_that_was_lost_or_changed_is_refused(sdk: AsyncAnthropic, change: str) -> None:
    asked, content = await _thought(sdk)
    if change == "lost":
        content = content[1:]
    else:
        content[0]["thinking" if change == "text" else "signature"] += "A"
    with pytest.raises(anthropic.BadRequestError, match="thinking"):
        await _go_on(sdk, asked, content)


# ---------------------------------------------------------------- faults


async def test_an_error_event_in_a_200_has_its_type(sdk: AsyncAnthropic, claude: AnthropicServer) -> None:
    claude.faults.add(Fault("error_event_in_200", status=529, after_events=2))
    with pytest.raises(anthropic.APIStatusError) as caught:
        async with sdk.messages.stream(model="claude-sonnet-5-5", max_tokens=50, messages=HELLO) as stream:
            await stream.get_final_message()
    assert caught.value.type == "overloaded_error"


async def test_a_stream_without_its_end_mark_lacks_message_stop(sdk: AsyncAnthropic, claude: AnthropicServer) -> None:
    claude.faults.add(Fault("cut_without_terminator"))
    stream = await sdk.messages.create(model="claude-sonnet-5-5", max_tokens=50, messages=HELLO, stream=True)
    kinds = [event.type async for event in stream]

    assert kinds[-1] == "message_delta"


@pytest.mark.parametrize(("status", "kind"), [(402, "billing_error"), (529, "overloaded_error"), (503, "api_error")])
async def test_a_scripted_status_has_the_vendors_error(
    sdk: AsyncAnthropic, claude: AnthropicServer, status: int, kind: str
) -> None:
    claude.faults.add(Fault("status", status=status, retry_after_s=2))
    with pytest.raises(anthropic.APIStatusError) as caught:
        await sdk.messages.create(model="claude-sonnet-5-5", max_tokens=50, messages=HELLO)

    assert (caught.value.status_code, caught.value.type) == (status, kind)
    assert caught.value.response.headers["retry-after"] == "2"


async def test_models_come_by_pages(sdk: AsyncAnthropic) -> None:
    listed = [model.id async for model in sdk.models.list(limit=2)]
    one = await sdk.models.retrieve("claude-haiku-4-5")

    assert len(listed) == len(set(listed)) > 2
    assert one.max_tokens == 64_000

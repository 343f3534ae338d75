"""The official Anthropic client, unchanged but for its base URL: served by Anthropic, by OpenAI and by the sandbox."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, ToolUseBlock

from tests.anthropic_files import PROVIDERS, ROUTES
from tests.harness import Inside, inside
from tests.vendors import openai as openai_vendor
from tests.vendors.anthropic import API_KEY, AnthropicServer
from tests.vendors.faults import Fault
from tests.vendors.openai import OpenAIServer
from tests.vendors.server import VendorServer

SERVED = ["claude", "gpt", "dry"]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(16)).decode()
WEATHER: Any = {
    "name": "get_weather",
    "description": "Say how the weather is.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK: Any = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


@dataclass
class House:
    """The gateway, its vendors, and a client that believes it talks to Anthropic."""

    gateway: Inside
    claude: AnthropicServer
    openai: OpenAIServer
    client: AsyncAnthropic

    @property
    def vendors(self) -> tuple[VendorServer, ...]:
        return (self.claude, self.openai)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with AnthropicServer() as claude, OpenAIServer() as openai:
        providers = PROVIDERS.format(
            anthropic=claude.base_url, anthropic_key=API_KEY, openai=openai.base_url, openai_key=openai_vendor.API_KEY
        )
        async with (
            inside(tmp_path, providers, ROUTES) as gateway,
            AsyncAnthropic(
                base_url=f"{gateway.url}/anthropic", api_key="any", max_retries=0, _strict_response_validation=True
            ) as client,
        ):
            yield House(gateway, claude, openai, client)
            assert [record.refusal for vendor in (claude, openai) for record in vendor.refused] == []


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def user(text: str) -> Any:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("model", SERVED)
async def test_a_message_is_answered_and_counted(house: House, model: str) -> None:
    answer = await house.client.messages.create(
        model=model, max_tokens=200, system="Be brief.", messages=[user("zebra crossing")], metadata={"user_id": "u"}
    )

    assert "zebra crossing" in text_of(answer)
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens > 0
    assert answer._request_id


@pytest.mark.parametrize("model", SERVED)
async def test_a_stream_has_every_event_in_its_order(house: House, model: str) -> None:
    whole = await house.client.messages.create(model=model, max_tokens=200, messages=[user("one two three")])
    stream = await house.client.messages.create(
        model=model, max_tokens=200, messages=[user("one two three")], stream=True
    )
    events = [event async for event in stream]

    kinds = [event.type for event in events]
    deltas = kinds.count("content_block_delta")
    assert deltas > 1
    assert kinds == [
        "message_start", "content_block_start", *["content_block_delta"] * deltas, "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    async with house.client.messages.stream(model=model, max_tokens=200, messages=[user("one two three")]) as again:
        final = await again.get_final_message()
    assert text_of(final) == text_of(whole)
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.input_tokens == whole.usage.input_tokens


@pytest.mark.parametrize("model", SERVED)
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_tools_are_called_in_parallel_and_their_results_answered(
    house: House, model: str, *, is_streamed: bool
) -> None:
    asked = user("use get_weather and get_time")
    options: Any = {"model": model, "max_tokens": 300, "tools": [WEATHER, CLOCK]}
    if is_streamed:
        async with house.client.messages.stream(messages=[asked], **options) as stream:
            first: Message = await stream.get_final_message()
    else:
        first = await house.client.messages.create(messages=[asked], **options)
    calls = [block for block in first.content if isinstance(block, ToolUseBlock)]
    results: Any = [
        {"type": "tool_result", "tool_use_id": call.id, "content": f"result of {call.name}"} for call in calls
    ]

    assert first.stop_reason == "tool_use"
    assert [call.name for call in calls] == ["get_weather", "get_time"]
    assert isinstance(calls[0].input["city"], str)
    content: Any = [block.model_dump(exclude_none=True) for block in first.content]
    second = await house.client.messages.create(
        messages=[asked, {"role": "assistant", "content": content}, {"role": "user", "content": results}], **options
    )
    assert "result of get_weather" in text_of(second)
    assert "result of get_time" in text_of(second)


@pytest.mark.parametrize("model", SERVED)
async def test_one_tool_at_a_time_is_one(house: House, model: str) -> None:
    answer = await house.client.messages.create(
        model=model,
        max_tokens=300,
        tools=[WEATHER, CLOCK],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        messages=[user("use get_weather and get_time")],
    )

    assert sum(block.type == "tool_use" for block in answer.content) == 1


@pytest.mark.parametrize("model", SERVED)
async def test_output_has_the_shape_that_was_asked_for(house: House, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["name", "count"],
        "additionalProperties": False,
    }
    answer = await house.client.messages.create(
        model=model,
        max_tokens=300,
        messages=[user("fill it in")],
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )

    filled = json.loads(text_of(answer))
    assert isinstance(filled["name"], str)
    assert isinstance(filled["count"], int)


@pytest.mark.parametrize("model", SERVED)
async def test_an_image_reaches_who_answers(house: House, model: str) -> None:
    content: Any = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "text", "text": "what is this", "cache_control": {"type": "ephemeral"}},
    ]
    answer = await house.client.messages.create(
        model=model, max_tokens=100, messages=[{"role": "user", "content": content}]
    )

    assert "what is this" in text_of(answer)
    assert all(PNG in record.body.decode() for vendor in house.vendors for record in vendor.requests)


@pytest.mark.parametrize("model", SERVED)
async def test_a_long_context_passes(house: House, model: str) -> None:
    long = "word " * 100_000
    answer = await house.client.messages.create(
        model=model, max_tokens=50, system=long, messages=[user("short question")]
    )

    assert answer.usage.input_tokens > 100_000


@pytest.mark.parametrize(("model", "mark"), [("claude", "[refusal]"), ("gpt", "[content_filter]")])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_blocked_answer_is_a_refusal(house: House, model: str, mark: str, *, is_streamed: bool) -> None:
    options: Any = {"model": model, "max_tokens": 100, "messages": [user(f"no {mark}")]}
    if is_streamed:
        async with house.client.messages.stream(**options) as stream:
            answer: Message = await stream.get_final_message()
    else:
        answer = await house.client.messages.create(**options)

    assert answer.stop_reason == "refusal"


async def test_stop_reasons_are_those_of_this_format(house: House) -> None:
    for model in ("claude", "gpt"):
        cut = await house.client.messages.create(model=model, max_tokens=3, messages=[user("tell me more")])
        assert cut.stop_reason == "max_tokens"


# ---------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.APIStatusError),
        (401, anthropic.InternalServerError),
        (402, anthropic.InternalServerError),
    ],
)
async def test_a_vendors_failure_is_told_in_this_format(
    house: House, status: int, error: type[anthropic.APIStatusError]
) -> None:
    house.claude.faults.add(Fault("status", status=status, retry_after_s=30, times=None))
    with pytest.raises(error) as caught:
        await house.client.messages.create(model="claude", max_tokens=10, messages=[user("hello")])

    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["request_id"]
    assert API_KEY not in str(body)
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "30"
        assert body["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": "many"}, "'max_tokens' must be a whole number"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
    ],
)
async def test_a_faulty_field_is_named(house: House, change: dict[str, Any], message: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await house.client.messages.create(model="claude", max_tokens=10, messages=[user("hello")], extra_body=change)

    assert message in str(caught.value)
    body: Any = caught.value.body
    assert body["error"]["type"] == "invalid_request_error"


async def test_an_unknown_model_is_not_found(house: House) -> None:
    with pytest.raises(anthropic.NotFoundError, match="claud"):
        await house.client.messages.create(model="claud", max_tokens=10, messages=[user("hello")])


@pytest.mark.parametrize("model", ["claude", "gpt"])
@pytest.mark.parametrize("kind", ["cut_mid_stream", "cut_without_terminator", "error_event_in_200"])
async def test_a_stream_that_breaks_ends_in_an_error_event(house: House, model: str, kind: Any) -> None:
    for vendor in house.vendors:
        vendor.faults.add(Fault(kind, status=529, after_events=5))
    seen: list[str] = []
    with pytest.raises(anthropic.APIError):
        await _read(house.client, model, seen)

    assert seen


async def _read(client: AsyncAnthropic, model: str, seen: list[str]) -> None:
    async with client.messages.stream(model=model, max_tokens=100, messages=[user("a b c d e f")]) as stream:
        async for text in stream.text_stream:
            seen.append(text)


async def test_a_stream_that_breaks_before_it_began_is_another_targets(house: House) -> None:
    for kind in ("error_event_in_200", "cut_mid_stream", "status", "malformed_event"):
        house.claude.faults.add(Fault(kind, status=529, after_events=1))
        async with house.client.messages.stream(model="both", max_tokens=100, messages=[user("hello")]) as stream:
            answer: Message = await stream.get_final_message()
        assert text_of(answer) == "openai/gpt-5.4-mini echoes: hello"


# ---------------------------------------------------------------- thinking


@pytest.mark.parametrize("path", ["anthropic", ""])
@pytest.mark.parametrize("mark", ["", "[redacted]"])
async def test_thinking_comes_and_goes_back_unchanged(house: House, path: str, mark: str) -> None:
    client = house.client.with_options(base_url=f"{house.gateway.url}/{path}")
    options: Any = {
        "model": "haiku",
        "max_tokens": 3000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [WEATHER],
    }
    asked = user(f"get_weather {mark}")
    first = await client.messages.create(messages=[asked], **options)
    async with client.messages.stream(messages=[asked], **options) as stream:
        streamed = await stream.get_final_message()

    assert first.content[0].type == ("redacted_thinking" if mark else "thinking")
    assert streamed.content == first.content
    content: Any = [block.model_dump(exclude_none=True) for block in first.content]
    call = first.content[-1]
    assert isinstance(call, ToolUseBlock)
    result: Any = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]
    second = await client.messages.create(
        messages=[asked, {"role": "assistant", "content": content}, {"role": "user", "content": result}], **options
    )
    assert "sunny" in text_of(second)


# ---------------------------------------------------------------- counting and listing


async def test_the_vendor_counts_where_it_can(house: House) -> None:
    options: Any = {"messages": [user("hello there")], "system": "Be brief.", "tools": [WEATHER]}
    counted = await house.client.messages.count_tokens(model="claude", **options)
    answer = await house.client.messages.create(model="claude", max_tokens=10, **options)

    assert counted.input_tokens == answer.usage.input_tokens
    assert [record.path for record in house.claude.requests] == ["/v1/messages/count_tokens", "/v1/messages"]


async def test_the_gateway_estimates_where_the_vendor_does_not_count(house: House) -> None:
    few = await house.client.messages.count_tokens(model="gpt", messages=[user("hello")])
    many = await house.client.messages.count_tokens(model="gpt", messages=[user("hello " * 1000)], tools=[WEATHER])

    assert 0 < few.input_tokens < 20
    assert 1000 < many.input_tokens < 1500  # a thousand words of one token each, and a tool
    assert not house.openai.requests


async def test_what_was_left_out_is_told_by_the_names_of_this_format(house: House) -> None:
    raw = await house.client.messages.with_raw_response.create(
        model="gpt",
        max_tokens=2000,
        messages=[user("hello")],
        thinking={"type": "enabled", "budget_tokens": 1024},
        extra_body={"top_k": 5},
    )
    assert raw.headers["x-gateway-dropped"] == "thinking.budget_tokens,top_k"


async def test_what_is_not_served_is_refused_in_this_format(house: House) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        await house.client.messages.batches.list()
    assert isinstance(caught.value.body, dict)
    assert (caught.value.body["type"], caught.value.body["error"]["type"]) == ("error", "not_found_error")


async def test_models_are_listed_by_pages(house: House) -> None:
    listed = [model async for model in house.client.models.list(limit=2)]
    one = await house.client.models.retrieve("claude")

    assert {"claude", "gpt", "dry"} <= {model.id for model in listed}
    assert len({model.id for model in listed}) == len(listed)
    assert one.id == "claude"
    with pytest.raises(anthropic.NotFoundError, match="'nobody' is not known"):
        await house.client.models.retrieve("nobody")
    with pytest.raises(anthropic.NotFoundError, match="did you mean claude"):
        await house.client.models.retrieve("cluade")
    with pytest.raises(anthropic.BadRequestError, match="limit"):
        await house.client.models.list(limit=0)

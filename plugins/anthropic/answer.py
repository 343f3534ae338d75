"""A whole answer from Anthropic: passed on untouched while its usage is read, or read into events (vendors.md 2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway import json
from gateway.errors import UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import (
    Call,
    Done,
    Event,
    FinishReason,
    TextDelta,
    ThinkingDelta,
    TokenCount,
    ToolDelta,
    Units,
    UpstreamResponse,
    Usage,
    Verbatim,
)

from .errors import parse_object
from .foreign import count, mapping, text
from .turns import VENDOR

MAX_ANSWER_BYTES = 33_554_432  # 128,000 tokens of text stay far below this

_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",  # of the vendor's own tools: the client sends the turn back as it is
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    """Yield the events of a whole message."""
    body = await read_all(response, MAX_ANSWER_BYTES)
    answer = parse_object(body, "the vendor's answer")
    content = answer.get("content")
    if not isinstance(content, list):
        raise UpstreamMalformed("the vendor's answer has no 'content'")
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    else:
        for event in _events(content):
            yield event
    if isinstance(answer.get("usage"), dict):
        yield Usage(read_usage(answer["usage"]))
    yield Done(finish_reason(answer.get("stop_reason")))


async def parse_count(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    """Yield the event of `POST /messages/count_tokens`."""
    body = await read_all(response, MAX_ANSWER_BYTES)
    tokens = parse_object(body, "the vendor's answer").get("input_tokens")
    if not isinstance(tokens, int):
        raise UpstreamMalformed("the vendor's answer has no 'input_tokens'")
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    else:
        yield TokenCount(tokens)
    yield Done()


def read_usage(usage: Mapping[str, Any]) -> Units:
    """Anthropic's input_tokens leave out what its cache read or wrote; the sum of the three is the prompt."""
    read = count(usage.get("cache_read_input_tokens"))
    written = count(usage.get("cache_creation_input_tokens"))
    return Units(
        input_tokens=count(usage.get("input_tokens")) + read + written,
        cached_input_tokens=read,
        cache_write_tokens=written,
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def finish_reason(stop_reason: Any) -> FinishReason:
    return _REASONS.get(text(stop_reason), "stop")


def _events(content: list[Any]) -> list[Event]:
    """Read the blocks. Those of the vendor's own tools come only to who asked for them, which no translation can."""
    events: list[Event] = []
    position = 0
    for block in map(mapping, content):
        match block.get("type"):
            case "text":
                events.append(TextDelta(text(block.get("text"))))
            case "thinking":
                thought, signature = text(block.get("thinking")), text(block.get("signature"))
                events.append(ThinkingDelta(thought, signature or None, vendor=VENDOR, is_new=True))
            case "redacted_thinking":
                events.append(ThinkingDelta(text(block.get("data")), is_redacted=True, vendor=VENDOR, is_new=True))
            case "tool_use":
                arguments = json.dumps(mapping(block.get("input"))).decode()
                events.append(ToolDelta(position, arguments, text(block.get("id")), text(block.get("name"))))
                position += 1
            case _:
                pass
    return events

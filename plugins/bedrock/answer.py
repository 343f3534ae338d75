"""What Converse answers, whole or in AWS's binary event stream (vendors.md 8, botocore 1.44.5, 2026-11-23).

A stream's last event is `metadata`, with the usage; what ends before it was cut.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gateway import json
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import (
    Done,
    Event,
    FinishReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Units,
    UpstreamResponse,
    Usage,
)

from .content import VENDOR
from .errors import stream_error

if TYPE_CHECKING:
    from botocore.eventstream import EventStreamBuffer, EventStreamMessage

MAX_ANSWER_BYTES = 33_554_432
EVENT_STREAM = "application/vnd.amazon.eventstream"
_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}


async def parse(response: UpstreamResponse, *, is_streamed: bool) -> AsyncIterator[Event]:
    """Yield the answer's events. What has not the shape of the vendor's own format is UpstreamMalformed."""
    events = _stream(response) if is_streamed else _whole(response)
    try:
        async for event in events:
            yield event
    except (AttributeError, KeyError, TypeError) as error:
        raise UpstreamMalformed("the vendor's answer has not the shape of its own format") from error


async def _whole(response: UpstreamResponse) -> AsyncIterator[Event]:
    body = await read_all(response, MAX_ANSWER_BYTES)
    answer = _object(body)
    message = (answer.get("output") or {}).get("message")
    if not isinstance(message, dict) or "stopReason" not in answer:
        raise UpstreamMalformed("the vendor's answer has no 'output.message' or no 'stopReason'")
    position = 0
    for block in message.get("content") or ():
        if "text" in block:
            yield TextDelta(_text(block["text"]))
        elif "toolUse" in block:
            used = block["toolUse"]
            arguments = json.dumps(used.get("input") or {}).decode()
            yield ToolDelta(position, arguments, _text(used.get("toolUseId")), _text(used.get("name")))
            position += 1
        elif "reasoningContent" in block:
            yield _thought(block["reasoningContent"])
    if isinstance(answer.get("usage"), dict):
        yield Usage(read_usage(answer["usage"]))
    yield Done(_REASONS.get(answer["stopReason"], "stop"))


async def _stream(response: UpstreamResponse) -> AsyncIterator[Event]:
    from botocore.eventstream import EventStreamBuffer

    kind = response.headers.get("content-type", "")
    if not kind.startswith(EVENT_STREAM):
        raise UpstreamMalformed(f"the vendor answered {kind[:60]!r} where a stream of events was asked for")
    buffer = EventStreamBuffer()
    blocks = _Blocks()
    async for chunk in response.chunks:
        for message in _messages(buffer, chunk):
            name, fields = _event(message)
            if name == "metadata":
                if blocks.reason is None:
                    raise UpstreamMalformed("the vendor's stream has an event metadata before its messageStop")
                yield Usage(read_usage(fields.get("usage") or {}))
                yield Done(blocks.reason)
                return
            for event in blocks.read(name, fields):
                yield event
    raise UpstreamCut("the vendor's stream ended before its event metadata")


def read_usage(usage: Mapping[str, Any]) -> Units:
    """Bedrock counts what was read from or written to its cache beside the other input, not within it."""
    read, written = _count(usage.get("cacheReadInputTokens")), _count(usage.get("cacheWriteInputTokens"))
    return Units(
        input_tokens=_count(usage.get("inputTokens")) + read + written,
        cached_input_tokens=read,
        cache_write_tokens=written,
        output_tokens=_count(usage.get("outputTokens")),
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _text(value: Any) -> str:
    """Return a text, "" where there is none. Raises TypeError for anything else."""
    if value is None or isinstance(value, str):
        return value or ""
    raise TypeError("a text of the vendor's answer is none")


def _messages(buffer: EventStreamBuffer, chunk: bytes) -> Iterator[EventStreamMessage]:
    from botocore.eventstream import ParserError

    try:
        buffer.add_data(chunk)
        yield from buffer
    except ParserError as error:
        raise UpstreamMalformed(f"the vendor's stream is damaged: {error}") from error


def _event(message: EventStreamMessage) -> tuple[str, dict[str, Any]]:
    """Return an event's name and fields. Raises what an exception in the stream says."""
    headers = message.headers
    fields = _object(message.payload)
    kind = headers.get(":message-type")
    if kind == "event":
        return str(headers.get(":event-type", "")), fields
    name = headers.get(":exception-type") or headers.get(":error-code") or ""
    text = fields.get("message") or headers.get(":error-message") or ""
    raise stream_error(str(name), str(text))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UpstreamMalformed("the vendor's answer is not JSON, or was cut") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed("the vendor's answer is not a JSON object")
    return value


def _thought(content: Mapping[str, Any]) -> ThinkingDelta:
    if "redactedContent" in content:
        return ThinkingDelta(_text(content["redactedContent"]), is_redacted=True, vendor=VENDOR, is_new=True)
    inner = content.get("reasoningText") or {}
    return ThinkingDelta(_text(inner.get("text")), _text(inner.get("signature")) or None, vendor=VENDOR, is_new=True)


class _Blocks:
    """Which content block is which tool call, and how the message ended."""

    def __init__(self) -> None:
        self.reason: FinishReason | None = None
        self._calls: dict[Any, int] = {}
        self._thoughts: set[Any] = set()

    def read(self, name: str, fields: Mapping[str, Any]) -> Iterator[Event]:
        index = fields.get("contentBlockIndex")
        if name == "messageStop":
            self.reason = _REASONS.get(fields.get("stopReason", ""), "stop")
        elif name == "contentBlockStart" and "toolUse" in (fields.get("start") or {}):
            used = fields["start"]["toolUse"]
            position = self._calls[index] = len(self._calls)
            yield ToolDelta(position, "", _text(used.get("toolUseId")), _text(used.get("name")))
        elif name == "contentBlockDelta":
            yield from self._delta(index, fields.get("delta") or {})

    def _delta(self, index: Any, delta: Mapping[str, Any]) -> Iterator[Event]:
        if "text" in delta:
            yield TextDelta(_text(delta["text"]))
        elif "toolUse" in delta:
            yield ToolDelta(self._calls.get(index, 0), _text(delta["toolUse"].get("input")))
        elif "reasoningContent" in delta:
            content = delta["reasoningContent"]
            is_new = index not in self._thoughts
            self._thoughts.add(index)
            if "redactedContent" in content:
                yield ThinkingDelta(_text(content["redactedContent"]), is_redacted=True, vendor=VENDOR, is_new=is_new)
            else:
                text, signature = _text(content.get("text")), _text(content.get("signature")) or None
                yield ThinkingDelta(text, signature, vendor=VENDOR, is_new=is_new)

"""A streamed answer from Anthropic (vendors.md 2, 2026-11-23): complete with `message_stop` and not before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from gateway import sse
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.flow import Fault, Flow
from gateway.types import (
    Call,
    Done,
    Event,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UpstreamResponse,
    Usage,
    Verbatim,
)

from .answer import finish_reason, read_usage
from .errors import parse_object
from .foreign import count, mapping, text
from .turns import VENDOR

_CONTENT = frozenset({"content_block_delta", "message_delta"})  # the events by which an answer has begun


def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    """Return the events of a streamed message, or its own bytes where the client reads this format."""
    content_type = response.headers.get("content-type", "text/event-stream")
    if not content_type.startswith("text/event-stream"):
        stated = f"the vendor answered {content_type[:60]!r} where a stream of events was asked for"
        return Fault(UpstreamMalformed(stated))
    return Flow(response.chunks, _Stream(content_type, is_verbatim=call.is_verbatim))


class _Stream:
    """The stage that reads a streamed message."""

    def __init__(self, content_type: str, *, is_verbatim: bool) -> None:
        self.is_over = False
        self._content_type = content_type
        self._is_verbatim = is_verbatim
        self._cutter = sse.Cutter()
        self._blocks = _Blocks()
        self._usage: dict[str, Any] = {}
        self._stop_reason: Any = None

    def feed(self, piece: bytes) -> Iterator[Event]:
        for raw in self._cutter.feed(piece):
            yield from self._event(raw)
            if self.is_over:
                return

    def end(self, error: Exception | None) -> Iterator[Event]:
        if error is not None:
            raise error
        for raw in self._cutter.end():
            yield from self._event(raw)
        if not self.is_over:
            raise UpstreamCut("the vendor's stream ended before its end mark message_stop")

    def _event(self, raw: bytes) -> Iterator[Event]:
        content = sse.parse(raw).data
        data = parse_object(content, "an event of the vendor's stream") if content else {}
        kind = data.get("type")
        if self._is_verbatim:
            yield Verbatim(raw, kind in _CONTENT or _is_whole_block(data), self._content_type)
        match kind:
            case "content_block_start" | "content_block_delta":
                if not self._is_verbatim:
                    yield from self._blocks.read(data)
            case "message_start":
                self._usage |= _given(mapping(data.get("message")).get("usage"))
                yield Usage(read_usage(self._usage), is_estimated=True)  # the input is exact; the output has only begun
            case "message_delta":
                self._stop_reason = mapping(data.get("delta")).get("stop_reason") or self._stop_reason
                self._usage |= _given(data.get("usage"))
                yield Usage(read_usage(self._usage))
            case "message_stop":
                self.is_over = True
                yield Done(finish_reason(self._stop_reason))
            case _:
                pass  # pings, ends of blocks, and what future versions add


def _given(usage: Any) -> Mapping[str, Any]:
    """The counts are cumulative, and what an event leaves out or null stands as before."""
    return {key: value for key, value in mapping(usage).items() if value is not None}


def _is_whole_block(data: Mapping[str, Any]) -> bool:
    """Say whether a block says something by its start: all but texts and thoughts, which begin empty."""
    kind = mapping(data.get("content_block")).get("type")
    return kind is not None and kind not in ("text", "thinking")


class _Blocks:
    """Numbers the tool calls among the blocks: clients of other formats count those alone."""

    def __init__(self) -> None:
        self._positions: dict[int, int] = {}

    def read(self, data: Mapping[str, Any]) -> Iterator[Event]:
        index = count(data.get("index"))
        if data["type"] == "content_block_start":
            yield from self._start(index, mapping(data.get("content_block")))
        else:
            yield from self._delta(index, mapping(data.get("delta")))

    def _start(self, index: int, block: Mapping[str, Any]) -> Iterator[Event]:
        match block.get("type"):
            case "text" if block.get("text"):
                yield TextDelta(text(block["text"]))
            case "thinking":
                yield ThinkingDelta(text(block.get("thinking")), vendor=VENDOR, is_new=True)
            case "redacted_thinking":
                yield ThinkingDelta(text(block.get("data")), is_redacted=True, vendor=VENDOR, is_new=True)
            case "tool_use":
                position = self._positions[index] = len(self._positions)
                yield ToolDelta(position, "", text(block.get("id")), text(block.get("name")))
            case _:
                pass

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[Event]:
        match delta.get("type"):
            case "text_delta":
                yield TextDelta(text(delta.get("text")))
            case "input_json_delta" if index in self._positions and delta.get("partial_json"):
                yield ToolDelta(self._positions[index], text(delta["partial_json"]))
            case "thinking_delta":
                yield ThinkingDelta(text(delta.get("thinking")), vendor=VENDOR)
            case "signature_delta":
                yield ThinkingDelta(signature=text(delta.get("signature")), vendor=VENDOR)
            case _:
                pass

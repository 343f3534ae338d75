"""A chat's events rendered as Gemini does: one GenerateContentResponse, or a stream of them as events or as an array.

Wire format: vendors.md 3, 2026-11-23. A stream has no end mark: its last chunk says why each candidate ended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway import json, sse
from gateway.dialects.gemini_contents import VENDOR
from gateway.dialects.untouched import untouched
from gateway.errors import UpstreamMalformed
from gateway.types import (
    Call,
    Done,
    Event,
    FinishReason,
    Rendered,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Units,
    Usage,
    Verbatim,
)

SSE = "text/event-stream"
JSON = "application/json; charset=UTF-8"

_REASONS: dict[FinishReason, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",  # calls need no reason of their own here
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "error": "OTHER",
}


async def encode_whole(call: Call, events: AsyncIterator[Event]) -> Rendered:
    answer = _Answer(call)
    parts: dict[int, list[dict[str, Any]]] = {}
    async for event in events:
        if isinstance(event, Verbatim):
            rest = [later.data async for later in events if isinstance(later, Verbatim)]
            return Rendered(event.content_type or JSON, b"".join([event.data, *rest]))
        for index, part in answer.parts(event):
            _join(parts.setdefault(index, []), part)
    return Rendered(JSON, json.dumps(answer.last(parts)))


async def encode_stream(call: Call, events: AsyncIterator[Event]) -> Rendered:
    """Render server-sent events where `alt=sse` asks for them, else one JSON array that grows."""
    first = await anext(events, None)
    is_sse = call.head.query.get("alt") == "sse"
    if isinstance(first, Verbatim):
        if is_sse:
            return Rendered(first.content_type or SSE, untouched(first, events))
        return Rendered(JSON, _array(_data(untouched(first, events))))
    chunks = _chunks(call, first, events)
    return Rendered(SSE, _events(chunks)) if is_sse else Rendered(JSON, _array(chunks))


# ---------------------------------------------------------------- framing


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield b"data: %b\r\n\r\n" % chunk


async def _array(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    before = b"["
    async for chunk in chunks:
        yield before + chunk
        before = b"\n,\r\n"
    yield b"[]" if before == b"[" else b"\n]\n"


async def _data(raw: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for event in sse.read(raw):
        if event.data:
            yield event.data


# ---------------------------------------------------------------- content


async def _chunks(call: Call, first: Event | None, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    answer = _Answer(call)
    if first is not None:
        for index, part in answer.parts(first):
            yield json.dumps(answer.chunk(index, part))
    async for event in events:
        for index, part in answer.parts(event):
            yield json.dumps(answer.chunk(index, part))
    for index, part in answer.rest():
        yield json.dumps(answer.chunk(index, part))
    yield json.dumps(answer.last({}))


@dataclass(slots=True)
class _Calling:
    """A tool call whose arguments still come in: this format has it whole."""

    id: str
    name: str
    arguments: list[str] = field(default_factory=list)


class _Answer:
    """Turns events into parts, and keeps what the last chunk says."""

    def __init__(self, call: Call) -> None:
        last = call.receipt.last
        model = last.target.partition("/")[2] if last is not None else call.model
        self._common = {"modelVersion": model, "responseId": call.id}
        self._units: Units | None = None
        self._reasons: dict[int, FinishReason] = {}
        self._signatures: dict[int, str] = {}
        self._calling: dict[int, tuple[int, _Calling]] = {}  # candidate -> (position, call)

    def parts(self, event: Event) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield (candidate, part) for what an event completes. Raises UpstreamMalformed for a broken tool call."""
        match event:
            case TextDelta(text, index):
                yield from self._called(index)
                yield index, self._signed(index, {"text": text})
            case ThinkingDelta():
                yield from self._thought(event)
            case ToolDelta():
                yield from self._tool(event)
            case Usage(units):
                self._units = units
            case Done(reason, index):
                yield from self._called(index, reason)
                self._reasons[index] = reason
            case _:
                pass

    def rest(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield signatures that no part came after: they stand on an empty one."""
        for index in list(self._signatures):
            yield index, self._signed(index, {"text": ""})

    def chunk(self, index: int, part: dict[str, Any]) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": index}], **self._common}

    def last(self, parts: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
        """Return the response with every candidate's end and the usage; `parts` are those not yet sent."""
        for index, part in self.rest():
            parts.setdefault(index, []).append(part)
        candidates = []
        for index in sorted({*self._reasons, *parts}):
            content = {"content": {"parts": parts[index], "role": "model"}} if parts.get(index) else {}
            reason = _REASONS[self._reasons.get(index, "stop")]
            candidates.append({**content, "finishReason": reason, "index": index})
        usage = {} if self._units is None else {"usageMetadata": usage_metadata(self._units)}
        return {"candidates": candidates, **usage, **self._common}

    def _thought(self, event: ThinkingDelta) -> Iterator[tuple[int, dict[str, Any]]]:
        """Another vendor's signature means nothing to this format; its redacted thinking is not text."""
        yield from self._called(event.index)
        if event.vendor == VENDOR and event.signature:
            self._signatures[event.index] = event.signature
        if event.text and not event.is_redacted:
            yield event.index, {"text": event.text, "thought": True}

    def _tool(self, delta: ToolDelta) -> Iterator[tuple[int, dict[str, Any]]]:
        position, calling = self._calling.get(delta.index, (-1, None))
        if calling is None or position != delta.position:
            yield from self._called(delta.index)
            calling = _Calling(delta.id or "", delta.name or "")
            self._calling[delta.index] = (delta.position, calling)
        calling.id = delta.id or calling.id
        calling.name = delta.name or calling.name
        calling.arguments.append(delta.arguments)

    def _called(self, index: int, reason: FinishReason | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the tool call that is now complete; one that ran into the limit of tokens is none."""
        _, calling = self._calling.pop(index, (-1, None))
        if calling is None:
            return
        try:
            args = json.loads("".join(calling.arguments) or "{}")
        except ValueError:
            args = None
        if isinstance(args, dict):
            named = {"id": calling.id, "name": calling.name, "args": args}
            yield (
                index,
                self._signed(index, {"functionCall": {key: value for key, value in named.items() if value != ""}}),
            )
        elif reason != "length":
            raise UpstreamMalformed(
                f"the model called {calling.name[:60]!r} with arguments that are not a JSON object; ask again"
            )

    def _signed(self, index: int, part: dict[str, Any]) -> dict[str, Any]:
        signature = self._signatures.pop(index, None)
        return part if signature is None else {**part, "thoughtSignature": signature}


def usage_metadata(units: Units) -> dict[str, Any]:
    """Return Google's counts: thoughts stand beside the candidates' tokens, cached ones are part of the prompt's."""
    counts = {
        "promptTokenCount": units.input_tokens,
        "candidatesTokenCount": max(0, units.output_tokens - units.reasoning_tokens),
        "totalTokenCount": units.input_tokens + units.output_tokens,
    }
    more = {"cachedContentTokenCount": units.cached_input_tokens, "thoughtsTokenCount": units.reasoning_tokens}
    return counts | {key: value for key, value in more.items() if value}


def _join(parts: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Append a part; pieces of one text become one, up to where a signature stands."""
    last = parts[-1] if parts else None
    is_more = last is not None and "text" in last and "text" in part and last.get("thought") == part.get("thought")
    if last is None or not is_more or "thoughtSignature" in last or "thoughtSignature" in part:
        parts.append(part)
    else:
        last["text"] += part["text"]

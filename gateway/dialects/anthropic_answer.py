"""A chat's events rendered as Anthropic does: one message, or a stream of named events that ends in `message_stop`.

Wire format: vendors.md 2, 2026-11-23. A whole message is its stream put together, so that both say the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway import json, sse
from gateway.dialects.anthropic_blocks import Blocks, Payload, assemble
from gateway.dialects.untouched import untouched
from gateway.errors import UpstreamUnavailable
from gateway.types import Call, Done, Event, FinishReason, Rendered, Units, Usage, Verbatim

PING = sse.write(b'{"type":"ping"}', "ping")
_STOP_REASONS: Mapping[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


async def encode_chat(call: Call, events: AsyncIterator[Event]) -> Rendered:
    """Render a whole message, or start to render a streamed one."""
    call.receipt.headers.setdefault("request-id", call.id)  # where the official client looks for it
    first = await anext(events, None)
    if isinstance(first, Verbatim):
        body = untouched(first, events)
        content_type = first.content_type or "application/json"
        return Rendered(content_type, body if call.stream else b"".join([chunk async for chunk in body]))
    if call.stream:
        return Rendered("text/event-stream; charset=utf-8", _stream(call, _chained(first, events)), keep_alive=PING)
    return Rendered("application/json", await _whole(call, _chained(first, events)))


def usage_object(units: Units) -> dict[str, Any]:
    """Return Anthropic's `usage`: its input_tokens leave out what a cache read or wrote."""
    return {
        "input_tokens": max(0, units.input_tokens - units.cached_input_tokens - units.cache_write_tokens),
        "cache_creation_input_tokens": units.cache_write_tokens,
        "cache_read_input_tokens": units.cached_input_tokens,
        "output_tokens": units.output_tokens,
        "output_tokens_details": {"thinking_tokens": units.reasoning_tokens},
    }


async def _chained(first: Event | None, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    if first is not None:
        yield first
    async for event in events:
        yield event


async def _whole(call: Call, events: AsyncIterator[Event]) -> bytes:
    blocks = Blocks()
    payloads: list[Payload] = []
    units, reason = Units(), "end_turn"
    async for event in events:
        if isinstance(event, Usage):
            units = event.units
        elif isinstance(event, Done):
            reason = _stop_reason(event)
        else:
            payloads += blocks.feed(event)
    payloads += blocks.end()
    return json.dumps(
        _message(call) | {"content": assemble(payloads), "stop_reason": reason, "usage": usage_object(units)}
    )


async def _stream(call: Call, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """Begin as soon as there is content: what came before it may already say how large the input is."""
    blocks = Blocks()
    units, reason = Units(), "end_turn"
    has_begun = False
    async for event in events:
        if isinstance(event, Usage):
            units = event.units
            continue
        if not has_begun:
            has_begun = True
            yield _start(call, units) + PING
        if isinstance(event, Done):
            reason = _stop_reason(event)
        elif payloads := blocks.feed(event):
            yield b"".join(map(_event, payloads))
    end = [*blocks.end(), _delta(reason, units), {"type": "message_stop"}]
    yield (b"" if has_begun else _start(call, units) + PING) + b"".join(map(_event, end))


def _start(call: Call, units: Units) -> bytes:
    message = _message(call) | {"content": [], "stop_reason": None, "usage": usage_object(units)}
    return _event({"type": "message_start", "message": message})


def _delta(reason: str, units: Units) -> Payload:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": usage_object(units),
    }


def _message(call: Call) -> dict[str, Any]:
    last = call.receipt.last
    model = last.target.partition("/")[2] if last is not None else call.model
    return {"id": f"msg_{call.id}", "type": "message", "role": "assistant", "model": model, "stop_sequence": None}


def _stop_reason(done: Done) -> str:
    """Raises UpstreamUnavailable where the vendor says it broke off, for which Anthropic has no reason to stop."""
    if done.reason == "error":
        raise UpstreamUnavailable("the vendor broke its answer off with an error")
    return _STOP_REASONS[done.reason]


def _event(payload: Payload) -> bytes:
    return sse.write(json.dumps(payload), payload["type"])

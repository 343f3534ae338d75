"""A chat's events rendered as an OpenAI response: one JSON object, or a stream of named and numbered events.

Wire format: vendors.md 1.2, openai 3.54.0, 2026-11-23.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any

from gateway import json, sse
from gateway.dialects.openai_responses_items import Fields, Output
from gateway.errors import GatewayError
from gateway.types import Call, Chat, Done, Event, Rendered, Tool, ToolChoice, Units, Usage, Verbatim

_NUMBER = re.compile(rb'"sequence_number"\s*:\s*(\d+)')
_STREAM = "text/event-stream; charset=utf-8"
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}  # why an answer is incomplete


async def encode_response(call: Call, events: AsyncIterator[Event]) -> Rendered:
    """Render a whole answer, or start to render a streamed one: what its first event raises passes as it is."""
    first = await anext(events, None)
    if isinstance(first, Verbatim):
        if call.stream:
            return Rendered(first.content_type or _STREAM, _untouched(first, events))
        rest = [event.data async for event in events if isinstance(event, Verbatim)]
        return Rendered(first.content_type or "application/json", b"".join([first.data, *rest]))
    if call.stream:
        return Rendered(_STREAM, _stream(call, _chained(first, events)))
    return Rendered("application/json", await _whole(call, _chained(first, events)))


async def _chained(first: Event | None, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    if first is not None:
        yield first
    async for event in events:
        yield event


async def _untouched(first: Verbatim, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    last = first.data
    yield last
    try:
        async for event in events:
            if isinstance(event, Verbatim):
                last = event.data
                yield last
    except GatewayError as error:
        numbers = _NUMBER.findall(last)
        yield _error(error, int(numbers[-1]) + 1 if numbers else 0)
        raise


async def _whole(call: Call, events: AsyncIterator[Event]) -> bytes:
    output, ending = Output(call.id), _Ending()
    async for event in events:
        ending.read(event)
        for _ in output.read(event):
            pass
    return json.dumps(_response(call, ending.status, output.whole(), ending))


async def _stream(call: Call, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    output, ending = Output(call.id), _Ending()
    started = _response(call, "in_progress", [], None)
    number = 0
    for kind in ("response.created", "response.in_progress"):
        yield _numbered({"type": kind, "response": started}, number)
        number += 1
    try:
        async for event in events:
            ending.read(event)
            for fields in output.read(event):
                yield _numbered(fields, number)
                number += 1
    except GatewayError as error:
        yield _error(error, number)
        raise
    for fields in output.close():
        yield _numbered(fields, number)
        number += 1
    whole = _response(call, ending.status, output.whole(), ending) | {"created_at": started["created_at"]}
    yield _numbered({"type": f"response.{ending.status}", "response": whole}, number)


class _Ending:
    """How the answer ended and what it took."""

    def __init__(self) -> None:
        self.units = Units()
        self.reason = "stop"

    def read(self, event: Event) -> None:
        if isinstance(event, Usage):
            self.units = event.units
        elif isinstance(event, Done):
            self.reason = event.reason

    @property
    def status(self) -> str:
        return "incomplete" if self.reason in _REASONS else "completed"


def _numbered(fields: Fields, number: int) -> bytes:
    return sse.write(json.dumps(fields | {"sequence_number": number}), fields["type"])


def _error(error: GatewayError, number: int) -> bytes:
    fields = {"type": "error", "code": error.code, "message": error.message, "param": error.param}
    return _numbered(fields, number)


def _response(call: Call, status: str, output: list[Fields], ending: _Ending | None) -> dict[str, Any]:
    """Return the response object. `ending` is None while the answer is still being made."""
    chat = call.body
    assert isinstance(chat, Chat)
    incomplete = {"reason": _REASONS[ending.reason]} if ending is not None and status == "incomplete" else None
    last = call.receipt.last
    return {
        "id": f"resp_{call.id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": incomplete,
        "instructions": json.loads(call.raw).get("instructions") if call.raw else None,
        "max_output_tokens": chat.max_output_tokens,
        "metadata": chat.extra.get("metadata") or {},
        "model": last.target.partition("/")[2] if last is not None else call.model,
        "output": output,
        "parallel_tool_calls": chat.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": chat.reasoning_effort, "summary": None},
        "temperature": chat.temperature,
        "text": {"format": _format(chat)},
        "tool_choice": _tool_choice(chat.tool_choice),
        "tools": [_tool(tool) for tool in chat.tools],
        "top_p": chat.top_p,
        "truncation": "disabled",
        "usage": _usage(ending.units) if ending is not None else None,
        "user": chat.user,
    }


def _usage(units: Units) -> dict[str, Any]:
    """Cached tokens are part of the input's, reasoning is part of the output's."""
    return {
        "input_tokens": units.input_tokens,
        "input_tokens_details": {
            "cached_tokens": units.cached_input_tokens,
            "cache_write_tokens": units.cache_write_tokens,
        },
        "output_tokens": units.output_tokens,
        "output_tokens_details": {"reasoning_tokens": units.reasoning_tokens},
        "total_tokens": units.input_tokens + units.output_tokens,
    }


def _format(chat: Chat) -> dict[str, Any]:
    wanted = chat.output_format
    if wanted is None or wanted.kind != "json_schema":
        return {"type": "text" if wanted is None else wanted.kind}
    described = {"name": wanted.name, "schema": wanted.schema, "description": wanted.description}
    return {"type": "json_schema", "strict": wanted.is_strict} | described


def _tool(tool: Tool) -> dict[str, Any]:
    fixed = {"type": "function", "name": tool.name, "description": tool.description}
    return fixed | {"parameters": dict(tool.parameters), "strict": bool(tool.is_strict)}


def _tool_choice(choice: ToolChoice | None) -> Any:
    if choice is None:
        return "auto"
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode

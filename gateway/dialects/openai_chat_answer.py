"""A chat's events rendered as OpenAI does: one JSON object, or a stream of chunks ending in `[DONE]`.

Wire format: vendors.md 1.1, 2026-11-23.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway import json, sse
from gateway.dialects.openai_usage_cost import Priced, cost_member
from gateway.dialects.untouched import untouched
from gateway.flow import Flow, begun
from gateway.types import Call, Chat, Done, Event, Rendered, TextDelta, ToolDelta, Units, Usage, Verbatim

DONE = sse.write(b"[DONE]")


async def encode_chat(call: Call, events: AsyncIterator[Event]) -> Rendered:
    """Render a whole chat answer, or start to render a streamed one."""
    first = await anext(events, None)
    if isinstance(first, Verbatim):
        content_type = first.content_type or "application/json"
        if not call.stream:
            rest = [event.data async for event in events if isinstance(event, Verbatim)]
            return Rendered(content_type, b"".join((first.data, *rest)))
        wants_cost = isinstance(call.body, Chat) and call.body.wants_usage
        return Rendered(content_type, untouched(first, events, Priced(call.receipt) if wants_cost else None))
    if first is not None:
        events = begun(first, events)
    if call.stream:
        return Rendered("text/event-stream; charset=utf-8", Flow(events, _Stream(call)))
    return Rendered("application/json", await _whole(call, events))


def usage_object(units: Units) -> dict[str, Any]:
    """Return OpenAI's `usage`: cached tokens are part of the prompt's, reasoning is part of the completion's."""
    return {
        "prompt_tokens": units.input_tokens,
        "completion_tokens": units.output_tokens,
        "total_tokens": units.input_tokens + units.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": units.cached_input_tokens,
            "cache_write_tokens": units.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": units.reasoning_tokens},
    }


def speaks_of_functions(call: Call) -> bool:
    """Say whether the client gave legacy `functions`, and so reads `function_call` instead of `tool_calls`."""
    raw = call.raw or b""
    return b'"functions"' in raw and json.loads(raw).get("functions") is not None


@dataclass(slots=True)
class _Choice:
    is_legacy: bool = False
    text: list[str] = field(default_factory=list)
    tools: dict[int, dict[str, Any]] = field(default_factory=dict)
    finish_reason: str = "stop"

    def tool(self, delta: ToolDelta) -> None:
        call = self.tools.setdefault(
            delta.position, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = delta.id or call["id"]
        call["function"]["name"] = delta.name or call["function"]["name"]
        call["function"]["arguments"] += delta.arguments

    def message(self) -> dict[str, Any]:
        text = "".join(self.text)
        content = text or (None if self.tools else "")
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if self.tools and self.is_legacy:
            message["function_call"] = self.tools[min(self.tools)]["function"]
        elif self.tools:
            message["tool_calls"] = [self.tools[position] for position in sorted(self.tools)]
        return message

    def ended(self) -> str:
        return "function_call" if self.is_legacy and self.finish_reason == "tool_calls" else self.finish_reason


async def _whole(call: Call, events: AsyncIterator[Event]) -> bytes:
    choices: dict[int, _Choice] = {}
    is_legacy = speaks_of_functions(call)
    units = Units()
    async for event in events:
        if isinstance(event, TextDelta):
            choices.setdefault(event.index, _Choice(is_legacy)).text.append(event.text)
        elif isinstance(event, ToolDelta):
            choices.setdefault(event.index, _Choice(is_legacy)).tool(event)
        elif isinstance(event, Usage):
            units = event.units
        elif isinstance(event, Done):
            choices.setdefault(event.index, _Choice(is_legacy)).finish_reason = event.reason
    return json.dumps(
        {
            "id": f"chatcmpl-{call.id}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": _served_model(call),
            "choices": [
                {
                    "index": index,
                    "message": choices[index].message(),
                    "logprobs": None,
                    "finish_reason": choices[index].ended(),
                }
                for index in sorted(choices)
            ],
            "usage": usage_object(units),
        }
    )


class _Stream:
    """The stage that makes chunks of events."""

    is_over = False

    def __init__(self, call: Call) -> None:
        assert isinstance(call.body, Chat)
        self._receipt = call.receipt
        self._wants_usage = call.body.wants_usage
        self._chunk: dict[str, Any] = {
            "id": f"chatcmpl-{call.id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": _served_model(call),
        }
        if self._wants_usage:
            self._chunk["usage"] = None
        self._begun: set[int] = set()
        self._is_legacy = speaks_of_functions(call)
        self._units = Units()

    def feed(self, event: Event) -> tuple[bytes, ...]:
        delta = _legacy_delta(event) if self._is_legacy else _delta(event)
        if delta is not None:
            index = event.index  # type: ignore[union-attr]  # _delta returns None for events without one
            if index not in self._begun:
                self._begun.add(index)
                delta = {"role": "assistant", "content": "" if "content" in delta else None} | delta
            return (_chunk(self._chunk, index, delta, None),)
        if isinstance(event, Done):
            is_function = self._is_legacy and event.reason == "tool_calls"
            return (_chunk(self._chunk, event.index, {}, "function_call" if is_function else event.reason),)
        if isinstance(event, Usage):
            self._units = event.units
        return ()

    def end(self, error: Exception | None) -> Iterator[bytes]:
        if error is not None:
            raise error
        if self._wants_usage:
            usage = usage_object(self._units) | cost_member(self._receipt)
            yield sse.write(json.dumps(self._chunk | {"choices": [], "usage": usage}))
        yield DONE


def _delta(event: Event) -> dict[str, Any] | None:
    if isinstance(event, TextDelta):
        return {"content": event.text}
    if not isinstance(event, ToolDelta):
        return None
    call: dict[str, Any] = {"index": event.position, "function": {"arguments": event.arguments}}
    if event.id is not None:
        call = {"index": event.position, "id": event.id, "type": "function"}
        call["function"] = {"name": event.name, "arguments": event.arguments}
    return {"tool_calls": [call]}


def _legacy_delta(event: Event) -> dict[str, Any] | None:
    """As `_delta`, for clients of legacy functions, which know one call a message."""
    if not isinstance(event, ToolDelta):
        return _delta(event)
    if event.position:
        return None
    named = {"name": event.name} if event.name is not None else {}
    return {"function_call": named | {"arguments": event.arguments}}


def _chunk(chunk: dict[str, Any], index: int, delta: dict[str, Any], finish_reason: str | None) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return sse.write(json.dumps(chunk | {"choices": [choice]}))


def _served_model(call: Call) -> str:
    """The vendor's model, which is what OpenAI's clients expect to read here."""
    last = call.receipt.last
    return last.target.partition("/")[2] if last is not None else call.model

"""The Realtime API: `wss …/realtime?model=…` (from openai 3.54.0, 2026-11-23).

Events pass as they are. Read along is `response.done`, which says what each response used; the session's use is their
sum. What a model of its own wrote down of the input is charged for apart from that, and is not in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gateway import json
from gateway.types import Call, Event, Frame, Live, LiveItem, LiveKind, Target, Units, Usage

_DONE = b'"response.done"'


class LiveSockets:
    """See gateway/live.py."""

    dialects: Mapping[LiveKind, str] = MappingProxyType({"converse": "openai.realtime"})

    def goodbye(self, call: Call) -> Frame | None:
        return None  # closing says it all

    def write(self, call: Call, item: LiveItem) -> bytes:
        return b""

    async def read(self, call: Call, frames: AsyncIterator[Frame]) -> AsyncIterator[Event]:
        used = Units()
        async for frame in frames:
            yield frame
            if _DONE in frame.data:  # cheaper than reading each delta of audio
                found = _units(frame.data)
                if found is not None:
                    used = _sum(used, found)
                    yield Usage(used)


def query(live: Live, target: Target) -> str:
    """Return the query of the request: the client's own, and the target's model."""
    own = [(name, value) for name, value in parse_qsl(live.query, keep_blank_values=True) if name != "model"]
    return urlencode([("model", target.model.name), *own])


def _units(data: bytes) -> Units | None:
    try:
        event = json.loads(data)
    except ValueError:
        return None
    if not isinstance(event, dict) or event.get("type") != "response.done":
        return None
    usage = _object(_object(event, "response"), "usage")
    if not usage:
        return None
    given, made = _object(usage, "input_token_details"), _object(usage, "output_token_details")
    return Units(
        input_tokens=_number(usage, "input_tokens"),
        cached_input_tokens=_number(given, "cached_tokens"),
        output_tokens=_number(usage, "output_tokens"),
        input_audio_tokens=max(0, _number(given, "audio_tokens") - _cached_audio(given)),
        output_audio_tokens=_number(made, "audio_tokens"),
    )


def _cached_audio(given: dict[str, Any]) -> int:
    """Cached audio takes the price of what is cached."""
    return _number(_object(given, "cached_tokens_details"), "audio_tokens")


def _sum(one: Units, other: Units) -> Units:
    return Units(
        input_tokens=one.input_tokens + other.input_tokens,
        cached_input_tokens=one.cached_input_tokens + other.cached_input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        input_audio_tokens=one.input_audio_tokens + other.input_audio_tokens,
        output_audio_tokens=one.output_audio_tokens + other.output_audio_tokens,
    )


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _number(value: dict[str, Any], name: str) -> int:
    number = value.get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else 0

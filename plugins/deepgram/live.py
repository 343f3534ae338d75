"""Live sockets: `wss /v1/listen` and `wss /v1/speak` (vendors.md 7, from deepgram-sdk 7.17.0 on 2026-11-23).

Messages pass as they are. Read along is what says how much was heard: `Metadata`, which comes after `CloseStream`, and
until then, for audio of which only the vendor knows the length, each result's end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

from gateway import json
from gateway.live import NEUTRAL
from gateway.types import Call, Event, Frame, Live, LiveItem, LiveKind, Target, Units, UpstreamRequest, Usage

from .voices import FAMILIES

_GOODBYES = {"listen": b'{"type":"CloseStream"}', "speak": b'{"type":"Close"}'}
_ENDPOINTS = {"listen": "listen", "speak": "speak"}


class LiveSockets:
    """See gateway/live.py."""

    dialects: Mapping[LiveKind, str] = MappingProxyType(
        {"listen": "deepgram.listen_live", "speak": "deepgram.speak_live"}
    )

    def goodbye(self, call: Call) -> Frame | None:
        assert isinstance(call.body, Live)
        return Frame(_GOODBYES[call.body.kind], is_text=True)

    def write(self, call: Call, item: LiveItem) -> bytes:
        return NEUTRAL.encode()

    async def read(self, call: Call, frames: AsyncIterator[Frame]) -> AsyncIterator[Event]:
        assert isinstance(call.body, Live)
        is_counted = call.body.bytes_per_s > 0  # by the gateway, as it passes on
        async for frame in frames:
            yield frame
            if frame.is_text and call.body.kind == "listen":
                usage = _usage(_message(frame.data), call.body, is_counted=is_counted)
                if usage is not None:
                    yield usage


def refusal(call: Call, target: Target) -> str | None:
    live = call.body
    assert isinstance(live, Live)
    if live.kind == "speak" and target.model.name not in FAMILIES:
        return f"is no family of voices; the model's name has to be one of {', '.join(FAMILIES)}"
    return None


def build(call: Call, target: Target) -> UpstreamRequest:
    """Return the request for the socket: the client's own query, and the target's model."""
    live = call.body
    assert isinstance(live, Live)
    query = [(name, value) for name, value in parse_qsl(live.query, keep_blank_values=True) if name != "model"]
    model = _voice(live, target) if live.kind == "speak" else target.model.name
    url = f"{target.provider.base_url}/v1/{_ENDPOINTS[live.kind]}?{urlencode([('model', model), *query])}"
    return UpstreamRequest("GET", url, {})


def _voice(live: Live, target: Target) -> str:
    """A voice is a model of theirs; what is no full name of this family is looked up, and else the first one speaks."""
    family = f"{target.model.name}-"
    name = live.voice if live.voice.startswith(family) else target.voice_for(live.voice or "alloy")
    if name is None or not name.startswith(family):
        name = target.voice_for("alloy") or ""
    return name


def _message(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError:  # passed on as it is: whether that is an answer is for the client to say
        return {}
    return value if isinstance(value, dict) else {}


def _usage(message: dict[str, Any], live: Live, *, is_counted: bool) -> Usage | None:
    """Billed is the length of the audio times its channels."""
    duration_s, channels = message.get("duration"), message.get("channels")
    if not isinstance(duration_s, int | float):
        return None
    if message.get("type") == "Metadata":
        times = channels if isinstance(channels, int) and channels > 0 else 1
        return Usage(Units(audio_seconds=duration_s * times))
    start_s = message.get("start")
    if message.get("type") != "Results" or is_counted or not isinstance(start_s, int | float):
        return None
    return Usage(Units(audio_seconds=(start_s + duration_s) * live.channels), is_estimated=True)

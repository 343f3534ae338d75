"""What a plugin adds to serve live audio: its optional member `live`. As pure as the rest of it.

A session begins as any call does: `build` and `sign` make the request, which for a vendor is that of a WebSocket. Where
the vendor speaks the client's own dialect its messages pass as they are, both ways, and the plugin reads along. Where
it has none, `write` says what each thing that a client wants is on its wire, and `read` what comes back means.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Protocol

from gateway.types import Call, Event, Frame, Live, LiveItem, LiveKind, Speech, Target

NEUTRAL = ""  # in `LiveWire.dialects`: no client's, but what `write` and `read` make of it


class LiveWire(Protocol):
    """How a plugin's vendor is spoken to while a session lasts."""

    dialects: Mapping[LiveKind, str]  # whose messages it takes and gives as they are; NEUTRAL: nobody's

    def goodbye(self, call: Call) -> Frame | None:
        """Return what asks the vendor to finish and then to close, None where closing says as much."""
        ...

    def write(self, call: Call, item: LiveItem) -> bytes:
        """Return what a client's message is on a neutral wire; b"" where it is nothing there."""
        ...

    def read(self, call: Call, frames: AsyncIterator[Frame]) -> AsyncIterator[Event]:
        """Yield the session's events: verbatim messages as the frames they are, `Usage` of all so far where it is told.

        The end of `frames` is that of the session; what they raise passes through. Raises UpstreamMalformed.
        """
        ...


def wire_of(target: Target) -> LiveWire | None:
    wire: LiveWire | None = getattr(target.provider.plugin, "live", None)
    return wire


def is_spliced(call: Call, target: Target) -> bool:
    """Say whether messages pass as they are between this client and this target."""
    wire = wire_of(target)
    return wire is not None and isinstance(call.body, Live) and wire.dialects.get(call.body.kind) == call.dialect


def is_composed(call: Call, target: Target) -> bool:
    """Say whether a session that speaks is made of ordinary calls for speech: of a target without a wire for it."""
    body, wire = call.body, wire_of(target)
    has_wire = wire is not None and isinstance(body, Live) and wire.dialects.get(body.kind) in (NEUTRAL, call.dialect)
    is_speaking = isinstance(body, Live) and body.kind == "speak"
    return is_speaking and not has_wire and "speech" in target.provider.plugin.operations()


def spoken_call(call: Call, target: Target, text: str) -> Call:
    """Return the call for speech by which a composed session has a text spoken, as samples without a head."""
    live = call.body
    assert isinstance(live, Live)
    voice = live.voice if target.voice_for(live.voice) is not None else next(iter(target.voices), "")
    speech = Speech(text, voice, format="pcm", speed=live.speed, sample_rate_hz=live.sample_rate_hz)
    return replace(call, body=speech, target=target, raw=None, is_verbatim=False)


def live_refusal(call: Call, target: Target) -> str | None:
    """Return why a target has no live session for a client of this dialect, None where it does."""
    assert isinstance(call.body, Live)
    wire = wire_of(target)
    spoken = wire.dialects.get(call.body.kind) if wire is not None else None
    if spoken is None:
        return f"has no live {call.operation}"
    if spoken not in (NEUTRAL, call.dialect):
        return f"has live {call.operation} for clients of {spoken} only"
    return None

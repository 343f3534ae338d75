"""What an answer to a recording comes to, for dialects that tell it as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.errors import UpstreamCut
from gateway.types import Event, Transcript, Units, Usage


async def heard(events: AsyncIterator[Event], first: Event | None = None) -> tuple[Transcript, Units]:
    """Return what was heard, and what it took; `first` was taken from `events`. Raises UpstreamCut: nothing was."""
    transcript = first if isinstance(first, Transcript) else None
    units = Units()
    async for event in events:
        if isinstance(event, Transcript):
            transcript = event
        elif isinstance(event, Usage):
            units = event.units
    return held(transcript), units


def held(transcript: Transcript | None) -> Transcript:
    if transcript is None:
        raise UpstreamCut("the answer holds no transcript")
    return transcript

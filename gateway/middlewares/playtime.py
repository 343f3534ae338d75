"""How long does it play? Reads a vendor's speech along, to set what it took against what there is to hear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.audio.playtime import Playtime
from gateway.config.model import Config, Route
from gateway.services import Services
from gateway.types import Attempt, AudioChunk, Call, Done, Event, Handler, Middleware, Reply


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return listen


async def listen(call: Call, handler: Handler) -> Reply:
    """Note on the attempt how long its audio plays, once it is complete."""
    attempt = call.attempt
    reply = await handler(call)
    return reply if attempt is None else replace(reply, events=_heard(reply.events, attempt))


async def _heard(events: AsyncIterator[Event], attempt: Attempt) -> AsyncIterator[Event]:
    playtime: Playtime | None = None
    async for event in events:
        if isinstance(event, AudioChunk):
            if event.format is not None:
                playtime = Playtime(event.format)
            if playtime is not None:
                playtime.add(event.data)
        elif isinstance(event, Done) and playtime is not None:
            attempt.spoken_s = playtime.seconds or 0.0
        yield event

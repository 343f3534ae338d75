"""How long does it play? Reads a vendor's speech along, to set what it took against what there is to hear."""

from __future__ import annotations

from dataclasses import replace

from gateway.audio.playtime import Playtime
from gateway.config.model import Config, Route
from gateway.flow import observed
from gateway.services import Services
from gateway.types import Attempt, AudioChunk, Call, Done, Event, Handler, Middleware, Reply


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return listen


async def listen(call: Call, handler: Handler) -> Reply:
    """Note on the attempt how long its audio plays, once it is complete."""
    attempt = call.attempt
    reply = await handler(call)
    return reply if attempt is None else replace(reply, events=observed(reply.events, _Ear(attempt).hear))


class _Ear:
    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._playtime: Playtime | None = None

    def hear(self, event: Event) -> None:
        if isinstance(event, AudioChunk):
            if event.format is not None:
                self._playtime = Playtime(event.format)
            if self._playtime is not None:
                self._playtime.add(event.data)
        elif isinstance(event, Done) and self._playtime is not None:
            self._attempt.spoken_s = self._playtime.seconds or 0.0

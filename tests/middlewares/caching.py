"""A cache as a route has it, `keep` and all, in front of a handler that counts how often it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.chain import compose
from gateway.config.model import Cache as Policy
from gateway.config.model import Config, Keys, Route, Server
from gateway.middlewares import cache, keep
from gateway.services import open_services
from gateway.stores.cache import CacheStore
from gateway.types import Attempt, Call, Done, Event, Handler, Reply, TextDelta, Units, Usage
from tests.given import Clock, call, drained, recording_call, reply, speech_call, target

FIRST, SECOND = target("first/model"), target("second/model")
TARGETS = (FIRST, SECOND)
ANSWER = (TextDelta("42"), Usage(Units(3, output_tokens=1)), Done())
PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.speech": "/v1/audio/speech",
    "openai.transcription": "/v1/audio/transcriptions",
    "anthropic.messages": "/v1/messages",
}
CONFIG = Config(Server(), Keys(), {}, (), ())


class Setup:
    """`clock` is the wall's. The handler answers `events` as the target `served_by`."""

    def __init__(self, *, store: CacheStore | None = None, dialect: str = "openai.chat", **policy: Any) -> None:
        self._given = {"dialect": dialect} | policy
        self.clock = Clock()
        self.services = open_services()
        self.services.cache = self.store = store or CacheStore(self.clock, 1_000_000)
        route = Route("POST", PATHS[dialect], dialect, cache=Policy(**({"ttl_s": 60.0} | policy)))
        links = [link.build(route, CONFIG, self.services) for link in (cache, keep)]
        self._links = [link for link in links if link is not None]
        self.handle = self.around(self.handler)
        self.events: tuple[Event | BaseException | float, ...] = ANSWER
        self.error: BaseException | None = None
        self.served_by = self.first_choice = "first/model"
        self.told: Mapping[str, str] = {}
        self.before_answer: Callable[[Call], None] = lambda asked: None
        self.asked = 0

    def reloaded(self) -> Setup:
        """Return the same as another configuration has it, over the same store."""
        return Setup(store=self.store, **self._given)

    def around(self, handler: Handler) -> Handler:
        return compose(self._links, handler)

    async def handler(self, asked: Call) -> Reply:
        self.asked += 1
        self.before_answer(asked)
        for failed in asked.targets:
            if failed.name == self.served_by:
                break
            asked.receipt.attempts.append(Attempt(failed.name, outcome="upstream_unavailable"))
        if self.error is not None:
            raise self.error
        asked.receipt.attempts.append(Attempt(self.served_by, outcome="ok", cost_nano_usd=7))
        asked.receipt.headers.update(self.told)
        asked.receipt.first_choice = self.first_choice
        return reply(*self.events)

    async def ask(self, given: Call) -> tuple[str, list[Event]]:
        """Return what the receipt says of the cache, and the events."""
        answer = await self.handle(given)
        return given.receipt.cache, await drained(answer.events)


def chat(raw: bytes = b'{"messages":[]}', **more: Any) -> Call:
    return call(raw=raw, **({"targets": TARGETS} | more))


def speech(text: str = "Good morning.", **more: Any) -> Call:
    raw = b'{"input":"%b"}' % text.encode()
    return speech_call(text, **({"targets": TARGETS, "raw": raw, "path": "/v1/audio/speech"} | more))


def recording(data: bytes = b"RIFF", *given: tuple[str, str], **more: Any) -> Call:
    return recording_call(data, recording={"fields": given}, **({"targets": TARGETS} | more))

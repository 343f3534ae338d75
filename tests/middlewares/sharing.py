"""Clients that ask the same at once, and a vendor that answers what it is fed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from gateway.chain import close, compose
from gateway.config.model import Cache as Policy
from gateway.config.model import Route
from gateway.middlewares import cache, coalesce, keep
from gateway.services import open_services
from gateway.types import Attempt, Call, Event, Recording, Reply
from tests.given import Closed
from tests.middlewares.caching import CONFIG, PATHS, chat

Step = Event | BaseException


class Vendor:
    """Answers what it is fed: each call takes the steps from `feed` on, and is counted."""

    def __init__(self, *, dialect: str = "openai.chat", has_cache: bool = False, **policy: Any) -> None:
        self.services = open_services()
        self.services.cache.memory.max_bytes = 1_000_000
        cache_policy = Policy(**({"ttl_s": 60.0} | policy))
        route = Route("POST", PATHS[dialect], dialect, cache=cache_policy if has_cache else None, is_coalesced=True)
        links = [link.build(route, CONFIG, self.services) for link in (cache, coalesce, keep)]
        self.handle = compose([link for link in links if link is not None], self.handler)
        self.calls: list[Call] = []
        self.queues: list[asyncio.Queue[Step | None]] = []
        self.closed: list[Closed] = []
        self.heard: list[bytes] = []
        self.made = 0

    async def handler(self, asked: Call) -> Reply:
        self.calls.append(asked)
        queue: asyncio.Queue[Step | None] = asyncio.Queue()
        closed = Closed()
        self.queues.append(queue)
        self.closed.append(closed)
        attempt = Attempt("first/model")
        asked.receipt.attempts.append(attempt)
        asked.receipt.first_choice = "first/model"
        try:
            first = await queue.get()
        except asyncio.CancelledError:
            attempt.outcome = "aborted"
            await closed()
            raise
        if isinstance(first, BaseException):
            attempt.outcome = "upstream_unavailable"
            await closed()
            raise first
        if isinstance(asked.body, Recording):
            self.heard.append(asked.body.audio.read())
        return Reply(self._events(asked, attempt, first, queue), (closed,))

    async def _events(
        self, asked: Call, attempt: Attempt, step: Step | None, queue: asyncio.Queue[Step | None]
    ) -> AsyncIterator[Event]:
        while step is not None:
            if isinstance(step, BaseException):
                attempt.outcome = "upstream_cut"
                raise step
            self.made += 1
            yield step
            step = await queue.get()
        attempt.outcome, attempt.cost_nano_usd = "ok", 7
        asked.receipt.cost_nano_usd = 7

    def feed(self, *steps: Step | None, to: int = -1) -> None:
        for step in steps:
            self.queues[to].put_nowait(step)

    async def asked(self, count: int) -> None:
        """Wait until so many calls came here."""
        async with asyncio.timeout(10):
            while len(self.calls) < count:
                await asyncio.sleep(0)


class Caller:
    """One client: its call, and the task that reads the whole answer."""

    def __init__(self, vendor: Vendor, given: Call | None = None) -> None:
        self.call = given if given is not None else chat()
        self.got: list[Event] = []
        self.task = asyncio.ensure_future(self._read(vendor))

    async def _read(self, vendor: Vendor) -> list[Event]:
        reply = await vendor.handle(self.call)
        try:
            async for event in reply.events:
                self.got.append(event)
        finally:
            await close(reply)
        return self.got

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def result(self) -> list[Event]:
        async with asyncio.timeout(10):
            return await self.task

    async def has(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.got) < count:
                await asyncio.sleep(0)

    @property
    def outcomes(self) -> list[tuple[str, int | None]]:
        return [(attempt.outcome, attempt.cost_nano_usd) for attempt in self.call.receipt.attempts]

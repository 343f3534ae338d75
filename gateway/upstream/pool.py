"""Connections that wait for their next request: of each origin the one used last is used first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from gateway.errors import UpstreamError
from gateway.upstream.dial import Dialler
from gateway.upstream.origin import Origin
from gateway.upstream.wire import Wire

KEEPALIVE_S = 30.0  # vendors' balancers close idle connections after 60 s or more; stay well below
MAX_IDLE = 256  # of one origin: what a crowd has left behind is closed at once; how many are in use, `limits` decides
WARM_CONNECT_S = 10.0  # nobody waits for it, and it is tried again


class Pool:
    """All connections there are, in use and idle."""

    def __init__(self) -> None:
        self._dialler = Dialler()
        self._idle: dict[Origin, deque[Wire]] = {}  # the one used last is last
        self._open: set[Wire] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._warm: Mapping[Origin, int] = {}
        self._warming: dict[asyncio.Task[None], Origin] = {}

    def warm(self, counts: Mapping[Origin, int]) -> None:
        """Keep so many connections of these origins open while nobody asks."""
        self._warm = counts
        self._fill()

    def take(self, origin: Origin) -> Wire | None:
        """Return the idle connection that was used last, if there is one that still holds."""
        idle = self._idle.get(origin)
        if not idle:
            return None
        now_s = asyncio.get_running_loop().time()
        while idle:
            wire = idle.pop()
            if _ends_s(wire) > now_s and wire.is_fresh:
                return wire
            wire.abort()
        return None

    async def open(self, origin: Origin, within_s: float) -> Wire:
        """Return a new connection. Raises UpstreamUnreachable."""
        return await self._dialler.connect(origin, lambda: self._wire(origin), within_s)

    def give(self, wire: Wire) -> None:
        """Keep a connection for the next request."""
        loop = asyncio.get_running_loop()
        wire.idle_since_s = loop.time()
        wire.has_been_idle = True
        idle = self._idle.setdefault(wire.origin, deque())
        idle.append(wire)
        if len(idle) > MAX_IDLE:
            idle.popleft().abort()
        if self._sweep is None:
            self._sweep = loop.call_later(KEEPALIVE_S, self._close_old)

    async def aclose(self) -> None:
        """Cut every connection; what is under way ends with an error."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        self._warm = {}
        for task in self._warming:
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        self._idle.clear()
        for wire in list(self._open):
            wire.abort()
        for _ in range(3):  # so long it takes until a connection under TLS has heard of its end
            await asyncio.sleep(0)
        await self._dialler.aclose()

    def _wire(self, origin: Origin) -> Wire:
        wire = Wire(origin, self.give, self._open.discard)
        self._open.add(wire)
        return wire

    def _close_old(self) -> None:
        """One timer for all; it runs while there is one idle, or should be."""
        loop = asyncio.get_running_loop()
        self._sweep = None
        ends_s: list[float] = []
        for origin, idle in list(self._idle.items()):
            while idle and (_ends_s(idle[0]) <= loop.time() or not idle[0].is_fresh):
                idle.popleft().abort()
            if idle:
                ends_s.append(_ends_s(idle[0]))
            else:
                del self._idle[origin]
        if ends_s:
            self._sweep = loop.call_at(max(min(ends_s), loop.time() + 1.0), self._close_old)
        self._fill()

    def _fill(self) -> None:
        """Open what is missing of the warm connections; those in use come back, so they are none that are missing."""
        for origin, count in self._warm.items():
            there = sum(wire.origin == origin for wire in self._open) + list(self._warming.values()).count(origin)
            for _ in range(count - there):
                task = asyncio.create_task(self._open_idle(origin), name=f"a warm connection to {origin.host}")
                self._warming[task] = origin
                task.add_done_callback(self._warming.pop)
        if self._warm and self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(KEEPALIVE_S, self._close_old)

    async def _open_idle(self, origin: Origin) -> None:
        try:
            wire = await self.open(origin, WARM_CONNECT_S)
        except UpstreamError:
            return  # the calls will tell
        self.give(wire)


def _ends_s(wire: Wire) -> float:
    return wire.idle_since_s + min(wire.keep_s or KEEPALIVE_S, KEEPALIVE_S)

"""Stop without cutting anybody: say so, go on for a while, refuse what is new, and wait for what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import web

from gateway.server.app import Gateway
from gateway.server.connection import Listener
from gateway.telemetry import logs

LEAVE_S = 2.0  # for both sides of a live session to answer a close frame
POLL_S = 0.05  # how often a drain looks whether the last request is over


class Stop:
    """What signals have asked for: to stop, and, asked again, to stop now."""

    def __init__(self) -> None:
        self.is_wanted = asyncio.Event()
        self.is_hurried = asyncio.Event()
        self.has_grace = True

    def ask(self, *, has_grace: bool = True) -> None:
        """Stop; a second time cuts what is still under way. Without grace nothing new is taken from now on."""
        if self.is_wanted.is_set():
            self.is_hurried.set()
            return
        self.has_grace = has_grace
        self.is_wanted.set()


async def drain(gateway: Gateway, sites: Sequence[web.BaseSite], listener: Listener, stop: Stop) -> None:
    """Go unready at once, serve whoever comes for shutdown_grace_s, then let requests finish for at most shutdown_s.

    From the first moment on each answer closes its connection, so that clients connect elsewhere.
    """
    gateway.is_draining = True
    server = gateway.snapshot.config.server
    if stop.has_grace and server.shutdown_grace_s:
        logs.LOGGER.info("stopping: not ready from now on, and taking requests for %g s more", server.shutdown_grace_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(server.shutdown_grace_s):
                await stop.is_hurried.wait()
    await asyncio.sleep(0)  # who has connected by now is accepted: what waits in a queue is reset when it closes
    for site in sites:
        await site.stop()
    logs.LOGGER.info("stopping: %d requests in flight have %g s to finish", gateway.in_flight, server.shutdown_s)
    with suppress(TimeoutError):
        async with asyncio.timeout(server.shutdown_s):
            while (gateway.in_flight or listener.is_busy()) and not stop.is_hurried.is_set():  # noqa: ASYNC110  # counts
                await asyncio.sleep(POLL_S)
    if len(gateway.live):
        logs.LOGGER.info("stopping: %d live sessions are told to go elsewhere", len(gateway.live))
        await gateway.live.go_away(LEAVE_S)
    if gateway.in_flight:
        logs.LOGGER.warning("stopping: %d requests are cut", gateway.in_flight)

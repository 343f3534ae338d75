"""Looks after one streamed answer by one timer: a client that reads nothing is given up, one that waits hears so."""

from __future__ import annotations

import asyncio

from aiohttp import web

KEEP_ALIVE_S = 15.0  # proxies close what is silent for 30 to 60 s; a vendor that thinks may be


class Watch:
    """Writes the chunks of an answer. One timer a stream, not one a chunk: `asyncio.timeout` would cost 3.5 µs each."""

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse, timeout_s: float, ping: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = request.transport
        self._response = response
        self._timeout_s = timeout_s
        self._ping = ping  # b"": this answer has no room for one
        self._is_writing = False
        self._since_s = self._loop.time()  # when the last write began, or ended
        self._pinging: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(min(timeout_s, KEEP_ALIVE_S), self._look)

    async def write(self, chunk: bytes) -> None:
        """Send a chunk, as fast as the client reads."""
        self._is_writing = True
        self._since_s = self._loop.time()
        await self._response.write(chunk)
        self._is_writing = False
        self._since_s = self._loop.time()

    def stop(self) -> None:
        self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()

    def _look(self) -> None:
        quiet_s = self._loop.time() - self._since_s
        limit_s = self._timeout_s if self._is_writing else KEEP_ALIVE_S
        if quiet_s >= limit_s:
            if self._is_writing:
                if self._transport is not None:
                    self._transport.abort()
                return
            if self._ping:
                self._pinging = self._loop.create_task(self.write(self._ping))
            quiet_s = 0.0
        self._timer = self._loop.call_later(max(0.001, limit_s - quiet_s), self._look)

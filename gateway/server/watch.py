"""Looks after one streamed answer by one timer: a client that reads nothing is given up, one that waits hears so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from gateway.server.streamed import Streamed

KEEP_ALIVE_S = 15.0  # proxies close what is silent for 30 to 60 s; a vendor that thinks may be


class Watch:
    """Writes the chunks of an answer. One timer a stream, not one a chunk: `asyncio.timeout` would cost 3.5 µs each."""

    __slots__ = (
        "_comments", "_frame", "_is_writing", "_loop", "_ping", "_pinging", "_protocol", "_response", "_since_s",
        "_timeout_s", "_timer", "_transport", "_writer",
    )  # fmt: skip

    def __init__(
        self,
        request: web.BaseRequest,
        response: Streamed,
        writer: AbstractStreamWriter,
        timeout_s: float,
        ping: bytes,
        comments: list[str],  # what others have to tell a reader of events
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = request.transport
        self._protocol = request.protocol
        self._frame = _chunk if response.is_chunked else bytes
        self._writer = writer
        self._comments = comments
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

    def take(self, chunks: Sequence[bytes]) -> bool:
        """Send chunks at once, each as one of HTTP's; returns whether there is room for more. The head has to be sent.

        What aiohttp does for each chunk costs twice what is left of it here.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        self._since_s = self._loop.time()
        if self._comments:
            chunks = [self.told(), *chunks]
        frame = self._frame
        transport.write(frame(chunks[0]) if len(chunks) == 1 else b"".join(map(frame, chunks)))
        return not self._protocol.writing_paused

    async def room(self) -> None:
        """Return once the client has read enough for more to be sent. Raises ConnectionError where it has left."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the client has left")
        self._is_writing = True
        self._since_s = self._loop.time()
        await self._writer.drain()
        self._is_writing = False
        self._since_s = self._loop.time()

    def told(self) -> bytes:
        """Return the comments that were not sent yet, as a chunk of its own: before whole events, which stay whole."""
        told = b"".join(b": %b\n\n" % text.encode() for text in self._comments)
        self._comments.clear()
        return told

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


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""  # a chunk of 0 would be the last

"""One end of a WebSocket on a connection of aiohttp that has been upgraded.

Messages are taken no faster than they are received, and written no faster than the peer reads: beyond `queue_bytes` the
connection is not read from, and `send` waits. So a peer that stalls costs a bounded piece of memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from aiohttp.base_protocol import BaseProtocol

from gateway import websocket as ws
from gateway.types import Frame

CLOSE_S = 1.0  # for a peer to answer a close frame; it has nothing else to do by then
_OVERHEAD_BYTES = 128  # of a queued message: empty ones are not free

Sink = Callable[[Frame], bool]


@dataclass(frozen=True, slots=True)
class SocketLimits:
    max_bytes: int  # of a message
    queue_bytes: int  # each way
    ping_s: float  # of silence, after which the peer is asked whether it is there


class SocketClosed(Exception):
    """The peer has closed, or is gone: then the code is ws.ABNORMAL."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason


class Socket:
    """`sink` may take a message at once, where none is queued before it; what it refuses is for `receive`."""

    def __init__(
        self,
        protocol: BaseProtocol,
        limits: SocketLimits,
        *,
        is_client: bool,
        release: Callable[[], None] | None = None,
    ) -> None:
        transport = protocol.transport
        if transport is None:
            raise SocketClosed(ws.ABNORMAL, "the connection is gone")
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._transport = transport
        self._is_client = is_client
        self._release = release or transport.close  # what ends the connection once all is said
        self._queue_bytes = limits.queue_bytes
        self._ping_s = limits.ping_s
        self._reader = ws.FrameReader(is_masked=not is_client, max_bytes=limits.max_bytes)
        self._queue: deque[Frame] = deque()
        self._queued_bytes = 0
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._end: SocketClosed | ws.Violation | None = None
        self._has_ended = asyncio.Event()
        self._is_deaf = False  # the close frame is sent: nothing that comes in matters but the peer's own
        self._is_closing = False
        self._has_pinged = False
        self._heard_s = self._loop.time()
        self._pinging = self._loop.call_later(limits.ping_s, self._look) if limits.ping_s else None
        self.sink: Sink | None = None
        transport.set_write_buffer_limits(high=limits.queue_bytes)

    # ------------------------------------------------------------ called by aiohttp

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes in. Returns what aiohttp wants of a parser: not at an end, nothing left over."""
        self._heard_s = self._loop.time()
        self._has_pinged = False
        if self._end is not None:
            return False, b""
        found: list[tuple[int, bytes]] = []
        end: SocketClosed | ws.Violation | None = None
        try:
            self._reader.feed(data, found)
        except ws.Violation as violation:
            end = violation
        for opcode, payload in found:
            if opcode <= ws.BINARY:
                self._take(Frame(payload, opcode == ws.TEXT))
            elif opcode == ws.PING:
                if not self._protocol.writing_paused:  # else it reads nothing, and each answer would stay here
                    self._write(ws.PONG, payload)
            elif opcode == ws.CLOSE:
                try:
                    end = SocketClosed(*ws.closed_with(payload))
                except ws.Violation as violation:
                    end = violation
                break
        if end is not None:
            self._finish(end)
        return False, b""

    def feed_eof(self) -> None:
        """The connection is gone."""
        if self._end is None:
            self._finish(SocketClosed(ws.ABNORMAL, "the connection was cut"))

    @property
    def has_ended(self) -> bool:
        """Whether the peer has closed, or is gone."""
        return self._end is not None

    # ------------------------------------------------------------ in

    async def receive(self) -> Frame:
        """Return the next message. Raises SocketClosed, or ws.Violation for what breaks the protocol or a limit."""
        while not self._queue:
            if self._end is not None:
                raise self._end
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        frame = self._queue.popleft()
        self._queued_bytes -= len(frame.data) + _OVERHEAD_BYTES
        if self._is_paused and self._queued_bytes <= self._queue_bytes // 2:
            self._resume()
        return frame

    def _take(self, frame: Frame) -> None:
        if self._is_deaf:
            return
        if self.sink is not None and not self._queue and self.sink(frame):
            return
        self._queue.append(frame)
        self._queued_bytes += len(frame.data) + _OVERHEAD_BYTES
        if self._queued_bytes > self._queue_bytes and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_reading()
        self._wake()

    def _finish(self, end: SocketClosed | ws.Violation) -> None:
        self._end = end
        self._has_ended.set()
        if self._pinging is not None:
            self._pinging.cancel()
        self._wake()

    def _resume(self) -> None:
        self._is_paused = False
        if self._protocol.transport is not None:
            self._protocol.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # ------------------------------------------------------------ out

    @property
    def can_send(self) -> bool:
        """Whether a message would go out without waiting for the peer to read."""
        return not self._is_closing and not self._protocol.writing_paused and not self._transport.is_closing()

    def send_now(self, frame: Frame) -> bool:
        """Write a message; False where the peer does not read, or is gone."""
        if not self.can_send:
            return False
        self._write(ws.TEXT if frame.is_text else ws.BINARY, frame.data)
        return True

    async def send(self, frame: Frame) -> None:
        """Write a message once the peer has read enough of what was written before. Raises SocketClosed."""
        if self._protocol.writing_paused:
            with suppress(ConnectionError):
                await self._protocol._drain_helper()  # aiohttp's own writers wait by it; nothing public does
        if self._is_closing or self._transport.is_closing():
            raise SocketClosed(ws.ABNORMAL, "the connection was cut")
        self._write(ws.TEXT if frame.is_text else ws.BINARY, frame.data)

    async def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, wait a little for the peer's, and end the connection. May be called more than once."""
        if self._is_closing:
            return
        self._is_closing = self._is_deaf = True
        if self._pinging is not None:
            self._pinging.cancel()
        self._queue.clear()
        self._queued_bytes = 0
        if self._transport.is_closing():
            self._release()
            return
        self._write(ws.CLOSE, ws.closing(code if ws.is_sendable(code) else ws.NO_CODE, reason))
        if self._is_paused:
            self._resume()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._has_ended.wait()
                with suppress(ConnectionError):
                    await self._protocol._drain_helper()  # see send
        except TimeoutError:
            self._transport.abort()  # what it does not read would keep the connection for ever
        finally:
            self._release()

    def _write(self, opcode: int, payload: bytes) -> None:
        self._transport.write(ws.frame(opcode, payload, is_masked=self._is_client))

    # ------------------------------------------------------------ is it there?

    def _look(self) -> None:
        """Ping after a silence; a second one without any answer means that nobody is there."""
        now_s = self._loop.time()
        due_s = self._heard_s + self._ping_s
        if self._is_paused:
            due_s = now_s + self._ping_s  # it may have answered: nobody looks
        elif now_s >= due_s:
            if self._has_pinged:
                self._finish(SocketClosed(ws.ABNORMAL, f"no answer to a ping within {self._ping_s:g} s"))
                return
            if not self._protocol.writing_paused:
                self._has_pinged = True
                self._write(ws.PING, b"")
            due_s = now_s + self._ping_s
        self._pinging = self._loop.call_later(max(due_s - now_s, 0.01), self._look)

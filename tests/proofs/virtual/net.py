"""Connections in memory: two ends, each with a queue of what is to arrive there, in order and a little later."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

LATENCY_S = (0.0, 0.003)  # of one connection, each way
HIGH_BYTES = 65_536  # on the way: a writer is paused from here on
EOF = None


class Net:
    """Who listens where."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chance: random.Random) -> None:
        self._loop = loop
        self._chance = chance
        self._listening: dict[int, Listening] = {}
        self._ports = iter(range(20_000, 60_000))
        self.silent: set[int] = set()  # ports at which a connection does not come about

    def listen(self, factory: Callable[[], Any], port: int) -> Listening:
        port = port or next(self._ports)
        self._listening[port] = found = Listening(self._listening, factory, port)
        return found

    async def dial(self, *, addr_infos: Sequence[Any], **_: Any) -> Dialled:
        """What the transport connects with. Raises ConnectionRefusedError where nobody listens."""
        port = addr_infos[0][4][1]
        await asyncio.sleep(self._chance.uniform(*LATENCY_S))
        if port in self.silent:
            await asyncio.sleep(3600)
        if port not in self._listening:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")
        return Dialled(port)

    def connected(self, factory: Callable[[], Any], port: int) -> tuple[End, Any]:
        """Return the client's end and its protocol. Raises ConnectionRefusedError."""
        listening = self._listening.get(port)
        if listening is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")
        latency_s = self._chance.uniform(*LATENCY_S)
        client, server = End(self._loop, latency_s), End(self._loop, latency_s)
        client.peer, server.peer = server, client
        server.begin(listening.factory())
        protocol = factory()
        client.begin(protocol)
        return client, protocol


class Dialled:
    """A socket that was connected and has no transport yet."""

    def __init__(self, port: int) -> None:
        self.port = port

    def close(self) -> None:
        """There is nothing to give back."""


class Socket:
    """A socket as far as protocols look at it."""

    family = socket.AF_UNIX  # which has no options that anybody sets

    def __init__(self, port: int) -> None:
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)

    def fileno(self) -> int:
        return _quiet()

    def setsockopt(self, *_: Any) -> None:
        """Aborting is what the options are set for, and `abort` does it."""


@cache
def _quiet() -> int:
    """Return a descriptor on which nothing ever comes."""
    return os.pipe()[0]


class Listening:
    """What serves a port, as far as aiohttp looks at it."""

    def __init__(self, table: dict[int, Listening], factory: Callable[[], Any], port: int) -> None:
        self._table = table
        self._port = port
        self.factory = factory
        self.sockets = [Socket(port)]

    def close(self) -> None:
        if self._table.get(self._port) is self:
            del self._table[self._port]

    async def wait_closed(self) -> None:
        """Nothing is left to be waited for."""


class End(asyncio.Transport):
    """One end of a connection. Its protocol hears of everything as from a socket's transport."""

    peer: End

    def __init__(self, loop: asyncio.AbstractEventLoop, latency_s: float) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "socket": Socket(2)})
        self._loop = loop
        self._latency_s = latency_s
        self._protocol: Any = None
        self._arriving: deque[bytes | None] = deque()
        self._is_due = False
        self._is_reading = True
        self._is_closing = False
        self._is_lost = False
        self._is_paused = False  # our protocol may not write

    def begin(self, protocol: Any) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    # ------------------------------------------------------------ what protocols call

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._schedule()

    def get_write_buffer_size(self) -> int:
        return self.peer.waiting_bytes

    def write(self, data: Any) -> None:
        if self._is_closing or not data:
            return
        self.peer._arriving.append(bytes(data))
        self.peer._schedule()
        if self.peer.waiting_bytes > HIGH_BYTES and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(bytes(piece) for piece in pieces))

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self.peer._arriving.append(EOF)
        self.peer._schedule()
        self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        if self._is_lost:
            return
        self._is_closing = True
        self._loop.call_soon(self._lose, None)
        self._loop.call_later(self._latency_s, self.peer.reset)

    # ------------------------------------------------------------ what the other end does

    @property
    def waiting_bytes(self) -> int:
        return sum(len(piece) for piece in self._arriving if piece is not EOF)

    def reset(self) -> None:
        """The other end has aborted: what is on the way is lost with it."""
        self._arriving.clear()
        self._lose(ConnectionResetError(errno.ECONNRESET, "connection reset by peer"))

    def _schedule(self) -> None:
        if not self._is_due and self._arriving and self._is_reading and not self._is_closing:
            self._is_due = True
            self._loop.call_later(self._latency_s, self._deliver)

    def _deliver(self) -> None:
        self._is_due = False
        if self._is_closing or not self._is_reading:
            return
        data = b""
        while self._arriving and self._arriving[0] is not EOF:
            data += self._arriving.popleft() or b""
        if data:
            self._protocol.data_received(data)
        if self.peer._is_paused and not self.peer._is_lost:
            self.peer._is_paused = False
            self.peer._protocol.resume_writing()
        if self._arriving and self._arriving[0] is EOF and not self._is_closing:
            self._arriving.clear()
            if not self._protocol.eof_received():
                self.close()

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_closing = self._is_lost = True
        self._protocol.connection_lost(error)

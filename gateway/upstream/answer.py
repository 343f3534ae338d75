"""One answer as it arrives: its head once that is whole, and what came of its body and was not read yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from gateway.errors import UpstreamCut
from gateway.flow import Take

MAX_WAITING_BYTES = 65_536  # of a body that nobody reads; beyond it nothing more is taken from the socket


class Connection(Protocol):
    """What an answer asks of the connection it comes over."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def leave(self) -> None: ...


class Answer:
    """An iterator of the body's pieces. Whoever reads it to its end or closes it has let go of the connection.

    Reading raises UpstreamCut where the connection ended too early, UpstreamMalformed where it is no HTTP.
    """

    __slots__ = (
        "_connection", "_fault", "_has_room", "_is_paused", "_loop", "_pieces", "_take", "_waiter", "_waiting_bytes",
        "headers", "is_begun", "is_complete", "is_of_head", "status",
    )  # fmt: skip

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, *, is_of_head: bool) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.is_of_head = is_of_head  # the request's method was HEAD: there is no body, whatever the head says
        self.is_begun = False  # the head is there
        self.is_complete = False  # all is there
        self._connection: Connection | None = connection
        self._loop = loop
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self._is_paused = False
        self._fault: BaseException | None = None
        self._take: Take[bytes] | None = None  # who gets each piece as it comes
        self._has_room = False  # and can take more
        self._waiter: asyncio.Future[None] | None = None

    # ------------------------------------------------------------ what the connection says

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers, self.is_begun = status, headers, True
        self._wake()

    def add(self, piece: bytes) -> None:
        """Take a piece of what is being read. `told` says when the reading is through."""
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)

    def told(self) -> None:
        """All of what was read at once is added."""
        if not self._pieces:
            return
        if self._take is not None and self._has_room:
            pieces, self._pieces, self._waiting_bytes = self._pieces, [], 0
            self._has_room = self._take(pieces)
            if self._has_room:
                return
        elif self._waiting_bytes > MAX_WAITING_BYTES and not self._is_paused and self._connection is not None:
            self._is_paused = True
            self._connection.pause()
        self._wake()

    def end(self) -> None:
        self.is_complete = True
        self._wake()

    def fail(self, error: BaseException) -> None:
        """What came before it can still be read."""
        if self._fault is None and not self.is_complete:
            self._fault = error
            self._wake()

    # ------------------------------------------------------------ what the reader does

    async def begun(self) -> None:
        """Return once the head is there."""
        while not self.is_begun:
            if self._fault is not None:
                raise self._fault
            await self._news()

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self.is_complete:
                self._let_go()
                raise StopAsyncIteration
            if self._fault is not None:
                raise self._fault
            await self._news()
        piece = self._waiting_piece()
        if self.is_complete:
            self._let_go()
        return piece

    async def pour(self, take: Take[bytes]) -> bool:
        """Give each piece to `take` in the call that brings it, until that has no room. Returns whether it was all."""
        if self._pieces and not take((self._waiting_piece(),)):
            return False
        self._take, self._has_room = take, True
        try:
            while self._has_room and not self.is_complete and self._fault is None:
                await self._news()
        finally:
            self._take = None
        if self.is_complete and not self._pieces:
            self._let_go()
            return True
        if self._has_room and self._fault is not None:
            raise self._fault
        return False

    async def close(self) -> None:
        """Give the connection back if the answer came to its end, else cut it: the vendor then stops working."""
        self.fail(UpstreamCut("the answer was closed before its end"))
        self._let_go()

    def _waiting_piece(self) -> bytes:
        pieces, self._pieces, self._waiting_bytes = self._pieces, [], 0
        if self._is_paused and self._connection is not None:
            self._is_paused = False
            self._connection.resume()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave()

    def _news(self) -> asyncio.Future[None]:
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():  # else who waited has been cancelled
            waiter.set_result(None)

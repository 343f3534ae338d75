"""The connections of live sessions: to a vendor's WebSocket, or to a provider that lives in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from gateway import websocket as ws
from gateway.errors import UpstreamCut
from gateway.types import Frame, LiveItem, Provider
from gateway.upstream.masking import hidden
from gateway.upstream.socket import Socket, SocketClosed


class VendorClosed(UpstreamCut):
    """The vendor closed the session with a code that says why."""

    code = "upstream_closed"
    can_retry = False

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(f"the vendor closed the session with {close_code}" + (f": {reason}" if reason else ""))
        self.close_code = close_code
        self.reason = reason


class VendorLine:
    """A vendor's WebSocket."""

    takes_frames = True

    def __init__(self, socket: Socket, goodbye: Frame | None, provider: Provider) -> None:
        self._socket = socket
        self._goodbye = goodbye
        self._provider = provider
        self._is_ended = False

    async def send(self, item: Frame | LiveItem) -> None:
        assert isinstance(item, Frame)
        try:
            await self._socket.send(item)
        except SocketClosed as closed:
            raise UpstreamCut(f"the vendor is gone: {closed.reason}") from closed

    def send_now(self, frame: Frame) -> bool:
        return self._socket.send_now(frame)

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the vendor's messages until it closes. Raises VendorClosed, or UpstreamCut where it just goes."""
        while True:
            try:
                frame = await self._socket.receive()
            except SocketClosed as closed:
                if closed.code in (ws.NORMAL, ws.NO_CODE):
                    return
                if closed.code == ws.ABNORMAL:
                    raise UpstreamCut(f"the vendor went without closing the session: {closed.reason}") from closed
                raise VendorClosed(closed.code, hidden(closed.reason, self._provider)) from closed
            except ws.Violation as violation:
                await self._socket.close(violation.code, violation.reason)
                raise UpstreamCut(
                    f"the vendor sent what is no WebSocket, or too much: {violation.reason}"
                ) from violation
            yield frame

    async def end(self) -> None:
        """Ask the vendor to finish; where it knows no word for that, closing is the word."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._goodbye is not None:
            await self.send(self._goodbye)
        else:
            await self.close(ws.NORMAL)

    async def close(self, code: int = ws.GOING_AWAY, reason: str = "") -> None:
        await self._socket.close(code, reason)


Write = Callable[[LiveItem], bytes]
_END = None
_MAX_WAITING = 32  # messages; more would only be heard later


class LocalLine:
    """A provider in this process: `source` is what it reads, `write` what a client's message is to it."""

    takes_frames = False

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_WAITING)
        self._is_closed = False

    async def source(self) -> AsyncIterator[bytes]:
        while (data := await self._waiting.get()) is not _END:
            yield data

    async def send(self, item: Frame | LiveItem) -> None:
        assert not isinstance(item, Frame)
        if not self._is_closed and (data := self._write(item)):
            await self._waiting.put(data)

    def send_now(self, frame: Frame) -> bool:
        return False

    async def end(self) -> None:
        if not self._is_closed:
            await self._waiting.put(_END)

    async def close(self, code: int = ws.GOING_AWAY, reason: str = "") -> None:
        self._is_closed = True


async def framed(lines: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """Yield what a local provider says as messages."""
    async for data in lines:
        yield Frame(data)

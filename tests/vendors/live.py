"""What every simulator of live sockets has: what came in over one, how it ended, and failures on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import WSMsgType, web

from tests.vendors.recording import RequestRecord

MAX_MESSAGE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class LiveFault:
    """What goes wrong with a session: `after` messages of the client's the connection is cut, closed, or not read."""

    kind: Literal["cut", "close", "stall"]
    after: int = 0
    code: int = 1011
    reason: str = ""


class Breach(Exception):
    """A message that the vendor's rules refuse; the socket is closed with its code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True, eq=False)
class LiveRecord:
    """One session. `code` is the client's close code: 1006 where it went without any."""

    request: RequestRecord
    messages: list[bytes | str] = field(default_factory=list)
    code: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    resume: asyncio.Event = field(default_factory=asyncio.Event)  # set it to end a stall

    @property
    def audio(self) -> bytes:
        return b"".join(message for message in self.messages if isinstance(message, bytes))

    async def wait_ended(self, timeout_s: float = 10.0) -> LiveRecord:
        async with asyncio.timeout(timeout_s):
            await self.ended.wait()
        return self


class LiveVendorSession:
    """One client's session: subclasses say what a message does. Raise Breach for what the vendor refuses."""

    idle_s = 10.0
    idle_close = (1011, "NET-0001 no audio or message came within the timeout window")

    def __init__(self, socket: web.WebSocketResponse, record: LiveRecord, fault: LiveFault | None) -> None:
        self.socket = socket
        self.record = record
        self._fault = fault

    async def opened(self) -> None:
        """The client is connected."""

    async def message(self, message: bytes | str) -> bool:
        """Take a message. Returns False once the session is over by the vendor's own rules."""
        raise NotImplementedError

    async def run(self) -> None:
        """Serve to the end."""
        try:
            await self.opened()
            while await self._step():
                continue
        except Breach as breach:
            self.record.request.refusal = f"{breach.code} {breach.reason}"
            await self.socket.close(code=breach.code, message=breach.reason.encode())
        except ConnectionError:
            self.record.code = 1006
        finally:
            if self.record.code is None:
                self.record.code = self.socket.close_code
            self.record.ended.set()

    async def _step(self) -> bool:
        if self._fault is not None and len(self.record.messages) >= self._fault.after:
            fault, self._fault = self._fault, None
            if fault.kind == "stall":
                await self.record.resume.wait()
            elif fault.kind == "close":
                await self.socket.close(code=fault.code, message=fault.reason.encode())
                return False
            else:
                transport = self.socket._req.transport if self.socket._req is not None else None
                assert isinstance(transport, asyncio.Transport)
                transport.abort()
                self.record.code = 1006
                return False
        try:
            message = await self.socket.receive(timeout=self.idle_s)
        except TimeoutError:
            code, reason = self.idle_close
            await self.socket.close(code=code, message=reason.encode())
            return False
        if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
            self.record.messages.append(message.data)
            return await self.message(message.data)
        self.record.code = message.data if message.type is WSMsgType.CLOSE else self.socket.close_code
        return False


async def serve_live(
    request: web.BaseRequest,
    record: LiveRecord,
    kind: type[LiveVendorSession],
    fault: LiveFault | None,
    *,
    protocols: tuple[str, ...] = (),
) -> web.WebSocketResponse:
    """Upgrade a request and serve its session."""
    socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES, protocols=protocols, timeout=1.0)
    await socket.prepare(request)
    record.request.status = 101
    await kind(socket, record, fault).run()
    return socket

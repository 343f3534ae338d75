"""One live session: messages from the client to whoever serves it, events back, until somebody ends it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gateway import websocket as ws
from gateway.config.model import LiveLimits, Server
from gateway.dialects.live import Talk
from gateway.errors import GatewayError, GoingAway, InvalidRequest, SessionOver, TooLarge
from gateway.server.close_codes import code_of
from gateway.telemetry.live import Passed
from gateway.telemetry.logs import LOGGER
from gateway.types import Call, Event, Frame, Live, Reply, Usage
from gateway.upstream.lines import VendorClosed
from gateway.upstream.socket import Socket, SocketClosed

FINISH_S = 5.0  # for whoever serves a session to say its last words once the client has closed
STALLED = "the client reads nothing"


class Client:
    """The client's end: its socket, and the limits that hold for it."""

    def __init__(self, socket: Socket, limits: LiveLimits, server: Server) -> None:
        self.socket = socket
        self.limits = limits
        self.write_timeout_s = server.write_timeout_s


class Conversation:
    """`run` it once. Of the two directions the one from the client goes past the chain, and the other is its reply."""

    def __init__(self, call: Call, reply: Reply, talk: Talk, client: Client) -> None:
        assert isinstance(call.body, Live)
        line = call.body.session.line
        assert line is not None, "a handler that answers has connected"
        self._loop = asyncio.get_running_loop()
        self._session = call.body.session
        self._line = line
        self._events = reply.events
        self._talk = talk
        self._socket = client.socket
        self._limits = client.limits
        self._write_timeout_s = client.write_timeout_s
        self._is_spliced = line.takes_frames
        self._is_held = False  # a message of the client's waits to be passed on
        self.passed = Passed()
        self._moved_s = self._loop.time()
        self._writes_since_s: float | None = None
        self._over_s = self._moved_s + client.limits.total_s
        self._ended: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> GatewayError | None:
        """Pass messages until the end. Returns the error that it ended with, None for a good end.

        Raises ConnectionError where the client has left.
        """
        up = self._loop.create_task(self._up(), name="from a live client")
        down = self._loop.create_task(self._down(), name="to a live client")
        watch = self._loop.call_later(self._tick_s(), self._watch)
        self._timer = watch
        if self._is_spliced:
            self._socket.sink = self._pass_now
        try:
            await asyncio.wait({up, down, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            return await self._conclude(up, down)
        finally:
            self._socket.sink = None
            self._timer.cancel()
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            if not self._ended.done():
                self._ended.cancel()
            elif not self._ended.cancelled():
                self._ended.exception()

    def go_away(self) -> None:
        """End the session, unless it ends already: the gateway stops."""
        if self._socket.has_ended:
            return
        self._end(GoingAway("the gateway stops; connect again"))

    # ------------------------------------------------------------ both directions

    async def _up(self) -> None:
        """Pass on what the client sends, until it closes."""
        while True:
            self._is_held = False
            frame = await self._socket.receive()
            self._is_held = True  # before anything that comes in while it waits
            self._moved_s = self._loop.time()
            self.passed.up += 1
            seconds, characters = self._talk.measure(frame)
            if self._is_spliced:
                await self._session.use(seconds, characters)
                await self._line.send(frame)
                continue
            taken = self._talk.take(frame)
            for reply in taken.replies:
                await self._write(reply)
            await self._session.use(seconds, characters)
            for item in taken.items:
                if item == "end":
                    await self._line.end()
                else:
                    await self._line.send(item)

    def _pass_now(self, frame: Frame) -> bool:
        """Pass a message on where nothing has to be waited for: the way of nearly all of them."""
        if self._is_held:
            return False
        seconds, characters = self._talk.measure(frame)
        if not self._session.fits(seconds, characters) or not self._line.send_now(frame):
            return False
        self._session.count(seconds, characters)
        self._moved_s = self._loop.time()
        self.passed.up += 1
        return True

    async def _down(self) -> None:
        """Pass on what is answered, until its end."""
        async for event in self._events:
            await self._told(event)

    async def _told(self, event: Event) -> None:
        if isinstance(event, Frame):
            await self._write(event)
        elif isinstance(event, Usage):
            units = event.units
            if not self._is_spliced:
                self._talk.tell(event)
            await self._session.spent(
                0.0 if self._is_spliced and self._session.seconds else units.audio_seconds,
                units.input_tokens + units.output_tokens,
            )
        elif not self._is_spliced:
            for frame in self._talk.tell(event):
                await self._write(frame)

    async def _write(self, frame: Frame) -> None:
        self._moved_s = self._loop.time()
        self.passed.down += 1
        if not self._socket.send_now(frame):
            self._writes_since_s = self._loop.time()
            await self._socket.send(frame)
            self._writes_since_s = None

    # ------------------------------------------------------------ the end

    async def _conclude(self, up: asyncio.Task[None], down: asyncio.Task[None]) -> GatewayError | None:
        """Tell both sides how it ended."""
        if self._ended.done():
            error = self._ended.exception()
            assert isinstance(error, GatewayError)
            return await self._fail(error)
        if up.done():
            return await self._client_ended(up.exception(), down)
        return await self._served(down.exception())

    async def _client_ended(self, cause: BaseException | None, down: asyncio.Task[None]) -> GatewayError | None:
        match cause:
            case SocketClosed(code=ws.NORMAL | ws.NO_CODE | ws.GOING_AWAY as code):
                return await self._finish(code, down)
            case SocketClosed() as closed:
                await self._line.close(ws.GOING_AWAY, "the client left")
                await self._socket.close(closed.code)
                raise ConnectionResetError("the client left") from closed
            case ws.Violation() as violation:
                return await self._fail(violation_error(violation), violation.code)
            case GatewayError() as error:
                if down.done() and down.exception() is not None:
                    return await self._served(down.exception())  # who is gone said why
                return await self._fail(error)
            case None:
                raise RuntimeError("a client's messages end by an exception")
            case _:
                return await self._broken(cause)

    async def _finish(self, code: int, down: asyncio.Task[None]) -> GatewayError | None:
        """The client has closed: let whoever serves it finish, for what it says of the use, and then close."""
        with suppress(GatewayError):
            await self._line.end()
        await asyncio.wait({down}, timeout=FINISH_S)
        await self._line.close(ws.NORMAL)
        if not down.done():
            await asyncio.wait({down}, timeout=FINISH_S)
        await self._socket.close(ws.NORMAL if code == ws.NO_CODE else code)
        return None

    async def _served(self, cause: BaseException | None) -> GatewayError | None:
        """Whoever serves the session has ended it."""
        match cause:
            case None:
                await self._line.close(ws.NORMAL)
                await self._socket.close(ws.NORMAL)
                return None
            case VendorClosed() as closed:
                await self._socket.close(closed.close_code, closed.reason)
                return closed
            case GatewayError() as error:
                return await self._fail(error)
            case SocketClosed():
                await self._line.close(ws.GOING_AWAY, "the client left")
                raise ConnectionResetError("the client left") from cause
            case _:
                return await self._broken(cause)

    async def _fail(self, error: GatewayError, code: int | None = None) -> GatewayError:
        """End it for a reason that both sides are told."""
        code = code_of(error) if code is None else code
        self._socket.sink = None
        for frame in self._talk.fault(error):
            self._socket.send_now(frame)
        going = ws.GOING_AWAY if isinstance(error, GoingAway) else ws.NORMAL
        await asyncio.gather(self._socket.close(code, error.message), self._line.close(going, error.code))
        return error

    async def _broken(self, cause: BaseException) -> GatewayError:
        LOGGER.error("a live session failed inside the gateway", exc_info=cause)
        return await self._fail(GatewayError("the gateway has a fault; its log has the details"))

    # ------------------------------------------------------------ time

    def _tick_s(self) -> float:
        return max(0.05, min(self._limits.idle_s, self._limits.total_s, self._write_timeout_s) / 4)

    def _watch(self) -> None:
        """End what was silent, lasts, or is not read for too long."""
        now_s = self._loop.time()
        limits = self._limits
        if self._writes_since_s is not None and now_s - self._writes_since_s >= self._write_timeout_s:
            self._end(SessionOver(f"{STALLED} for {self._write_timeout_s:g} s (server.write_timeout_s)"))
        elif now_s >= self._over_s:
            self._end(SessionOver(f"the session has lasted {limits.total_s:g} s (live.total_s); open another"))
        elif now_s - self._moved_s >= limits.idle_s:
            self._end(SessionOver(f"nothing came for {limits.idle_s:g} s (live.idle_s); send audio, or keep-alives"))
        else:
            self._timer = self._loop.call_later(self._tick_s(), self._watch)

    def _end(self, error: GatewayError) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


def violation_error(violation: ws.Violation) -> GatewayError:
    """Return what breaks the protocol as an error of the client's."""
    return TooLarge(violation.reason) if violation.code == ws.TOO_LARGE else InvalidRequest(violation.reason)

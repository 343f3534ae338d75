"""One client's connection: aiohttp's, with a limit on how long a request's head may take and errors in JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from gateway import json
from gateway.server.cors import Asked
from gateway.server.headers import SERVER
from gateway.server.told import Told, Waiting

KEEPALIVE_S = 75.0  # longer than common balancers keep theirs (60 s), so that it is not us who closes under a request
MAX_HEAD_LINE_BYTES = 16_384  # a request line or a header: keys and trace state are far shorter
AUTO_DECOMPRESS = False  # a bomb of 200 kB would become 200 MB
FOLLOW_S = 0.5  # who has just connected, or was told that the connection stays, may be sending a request


class Connection(RequestHandler):
    """Adds what aiohttp has no limit for: a connection that sends half a head would stay open for ever."""

    __slots__ = ("_head_timeout_s", "_head_timer", "_is_between")

    def __init__(self, manager: web.Server, *, head_timeout_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_timeout_s = head_timeout_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_between = True  # what was read so far is whole requests, and no beginning of another
        self._messages = Waiting()  # type: ignore[assignment]  # a deque, of which it asks no more

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits here: an answer is not written to its end, or a request may be on its way."""
        if self._request_in_progress or self._messages or self._head_timer is not None:
            return True
        transport = self.transport
        if transport is not None and (transport.is_closing() or transport.get_write_buffer_size()):
            return True
        idle_since_s = self._next_keepalive_close_time - KEEPALIVE_S
        return self._loop.time() - idle_since_s < FOLLOW_S

    def data_received(self, data: bytes) -> None:
        seen, was_between = self._request_count, self._is_between
        if self._parser is None and self.transport is not None:
            self._parser = self._new_parser()
        super().data_received(data)
        self._is_between = was_between and self._request_count == seen + 1 and self._was_whole(data)
        if self._request_count != seen or self._request_in_progress or self._messages:
            self._stop_head_timer()
        elif self._head_timer is None and not self._upgraded:
            self._head_timer = self._loop.call_later(self._head_timeout_s, self._head_is_late)

    def forget(self) -> None:
        """Let go of the parser, which keeps the headers it has read, for an answer that takes long.

        There is another one once there is something to be read.
        """
        if self._is_between and not self._messages and not self._upgraded:
            self._parser = None

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Asked for after each read of a body: only what was paused holds anything back to be parsed now."""
        if self._reading_paused or self._buffer_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not HTTP. Logged nowhere: anybody can send it, as often as he likes."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        response = web.Response(status=status, body=_error_body(status, message), content_type="application/json")
        response.headers["server"] = SERVER  # not aiohttp with its version
        response.force_close()
        return response

    def _was_whole(self, data: bytes) -> bool:
        """Say whether this was one request with all of its body, and nothing after it."""
        message: Any
        message, body = self._messages[-1]
        if not isinstance(message, Told) or message.chunked or not body.is_eof():
            return False
        return len(data) == data.find(b"\r\n\r\n") + 4 + body.total_bytes

    def _new_parser(self) -> HttpRequestParser:
        """Return one like that which aiohttp has made."""
        return HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=RequestPayloadError,
            auto_decompress=AUTO_DECOMPRESS,
            max_msg_queue_size=self._max_msg_queue_size,
        )

    def _head_is_late(self) -> None:
        if self.transport is not None:
            body = _error_body(408, f"the request's head did not arrive within {self._head_timeout_s:g} s")
            self.transport.write(
                b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
        self.force_close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Listener(web.Server):
    """aiohttp's server without an application, making connections and requests of ours.

    `Expect: 100-continue` is nothing to it: that is answered when the body is wanted, after the key was checked.
    """

    def __init__(self, serve: Callable[[Asked], Awaitable[web.StreamResponse]], head_timeout_s: float) -> None:
        super().__init__(
            serve,  # type: ignore[arg-type]  # which gets what the factory makes
            request_factory=self._asked,
            handler_cancellation=True,  # the vendor is to stop when the client leaves
            keepalive_timeout=KEEPALIVE_S,
            max_line_size=MAX_HEAD_LINE_BYTES,
            max_field_size=MAX_HEAD_LINE_BYTES,
            auto_decompress=AUTO_DECOMPRESS,
            lingering_time=2.0,
            access_log=None,
        )
        self.head_timeout_s = head_timeout_s

    def is_busy(self) -> bool:
        """Whether anybody waits for a request to be taken, or for the rest of an answer."""
        return any(isinstance(each, Connection) and each.is_busy for each in self.connections)

    def _asked(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> Asked:
        return Asked(message, payload, protocol, writer, task, self._loop)

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, head_timeout_s=self.head_timeout_s, **self._kwargs)


def _error_body(status: int, message: str | None) -> bytes:
    first_line = (message or "the request could not be read").strip().splitlines()[0][:200]
    kind = "invalid_request_error" if status < 500 else "server_error"
    message = f"not a request that can be read: {first_line}"
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": "bad_http"}})

"""Write an answer: nothing is sent before its first chunk is there, and nothing ends cleanly that was cut."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable, Mapping

from aiohttp import web

from gateway.dialects import Dialect
from gateway.errors import GatewayError
from gateway.flow import Flow
from gateway.server.connection import Connection
from gateway.server.cors import Asked
from gateway.server.headers import receipt_headers
from gateway.server.streamed import Streamed
from gateway.server.watch import Watch
from gateway.server.whole import Whole
from gateway.types import EMPTY, Receipt, Rendered

_THREAD_BYTES = 262_144  # compressing more than this takes over a millisecond: not on the loop
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", re.IGNORECASE)  # with q=0 it is refused
_GZIP_LEVEL = 5  # JSON gains little beyond it


class Writer:
    """Writes one answer to one request."""

    __slots__ = ("_dialect", "_gzip_min_bytes", "_is_last", "_receipt", "_request", "_timeout_s", "begun")

    def __init__(
        self,
        request: Asked,
        receipt: Receipt,
        *,
        gzip_min_bytes: int | None,
        timeout_s: float,
        is_last: Callable[[], bool],  # whether the connection ends with this answer
    ) -> None:
        self._request = request
        self._receipt = receipt
        self._gzip_min_bytes = gzip_min_bytes
        self._timeout_s = timeout_s
        self._is_last = is_last
        self.begun: web.StreamResponse | None = None  # the streamed answer, from its head on
        self._dialect: Dialect | None = None  # where it is a stream of events

    async def write(self, rendered: Rendered, dialect: Dialect) -> web.StreamResponse:
        """Send a whole or a streamed answer. What its first chunk raises passes, since nothing was sent then."""
        if isinstance(rendered.body, bytes):
            return await self.whole(rendered.status, rendered.content_type, rendered.body, rendered.headers)
        first = await anext(rendered.body, b"")
        if self._receipt.is_all_there and not self._receipt.comments:
            # A stream that a cache gives again: in one write, where its head, its pieces and its end would be four.
            body = b"".join([first, *[chunk async for chunk in rendered.body]])
            return Whole(rendered.status, self._streamed_headers(rendered), body)
        is_event_stream = rendered.content_type.startswith("text/event-stream")
        self._dialect = dialect if is_event_stream else None
        self.begun = response = Streamed(status=rendered.status, headers=self._streamed_headers(rendered))
        if self._is_last():
            response.force_close()
        stream = await response.prepare(self._request)
        assert stream is not None
        self._forget()
        watch = Watch(
            self._request,
            response,
            stream,
            self._timeout_s,
            rendered.keep_alive if is_event_stream else b"",
            self._receipt.comments if is_event_stream else [],
        )
        rest = rendered.body
        try:  # in here, since a coroutine of its own would be 256 bytes of each stream
            if first:
                await watch.write(first)
                first = b""
                while isinstance(rest, Flow) and not await rest.pour(watch.take):
                    await watch.room()
            async for chunk in rest:
                if told := watch.told():
                    await watch.write(told)
                if chunk:
                    await watch.write(chunk)
            await response.write_eof()
        except GatewayError as error:
            if is_event_stream:
                await watch.write(self._rendered_error(dialect, error))
            self.cut()
            raise StreamBroken(error, response) from error
        finally:
            watch.stop()
        return response

    async def whole(self, status: int, content_type: str, body: bytes, more: Mapping[str, str] = EMPTY) -> Whole:
        """Return a whole answer, for aiohttp to send."""
        headers = {**self._headers(content_type), **more}
        if self._can_gzip(content_type, body):
            headers["content-encoding"] = "gzip"
            headers["vary"] = "accept-encoding"
            body = await _compress(body)
        return Whole(status, headers, body)

    async def error(self, error: GatewayError, body: bytes) -> Whole:
        """Return an error's answer, with what tells a client when to come back."""
        response = await self.whole(error.status, "application/json", body)
        if error.retry_after_s is not None:
            response.headers["retry-after"] = str(max(1, round(error.retry_after_s + 0.5)))
            response.headers["retry-after-ms"] = str(max(1, round(error.retry_after_s * 1000)))
        if not self._request.content.is_eof():
            response.force_close()  # the rest of a body that nobody reads must not be taken for the next request
        return response

    def cut(self) -> None:
        """End the connection after what is buffered, without the mark that says the answer is complete."""
        if self._request.transport is not None:
            self._request.transport.close()

    async def expire(self, error: GatewayError) -> None:
        """End a streamed answer whose time is over: with a word where its client reads, else at once."""
        transport = self._request.transport
        if transport is None:
            return
        if self.begun is None or self._dialect is None or transport.get_write_buffer_size():
            transport.abort()  # with what was not sent yet: nobody reads it
            return
        await self.begun.write(self._rendered_error(self._dialect, error))  # waits for nothing: there is room
        self.cut()

    def _rendered_error(self, dialect: Dialect, error: GatewayError) -> bytes:
        return dialect.encode_error(error, self._receipt.id, started=True)

    def _headers(self, content_type: str) -> dict[str, str]:
        now_s = asyncio.get_running_loop().time()
        return receipt_headers(self._receipt, now_s) | {"content-type": content_type}

    def _forget(self) -> None:
        """Let go of what is known of the request's head, for an answer that may take long."""
        self._request.forget()
        if isinstance(self._request.protocol, Connection):
            self._request.protocol.forget()

    def _streamed_headers(self, rendered: Rendered) -> dict[str, str]:
        headers = {**self._headers(rendered.content_type), **rendered.headers}
        headers["cache-control"] = "no-cache"
        headers["x-accel-buffering"] = "no"  # a stream that nginx holds back is none
        return headers

    def _can_gzip(self, content_type: str, body: bytes) -> bool:
        return (
            self._gzip_min_bytes is not None
            and len(body) >= self._gzip_min_bytes
            and content_type.startswith("application/json")
            and _GZIP.search(self._request.headers.get("accept-encoding", "")) is not None
        )


class StreamBroken(Exception):
    """A streamed answer failed after it began; the client has been told as far as that is possible."""

    def __init__(self, error: GatewayError, response: web.StreamResponse) -> None:
        super().__init__(error.message)
        self.error = error
        self.response = response


async def _compress(body: bytes) -> bytes:
    if len(body) > _THREAD_BYTES:
        return await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0)
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)

"""Write an answer: nothing is sent before its first chunk is there, and nothing ends cleanly that was cut."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from gateway.errors import GatewayError
from gateway.types import NANO_USD, Receipt, Rendered

SERVER = "ai-service-gateway"
_THREAD_BYTES = 262_144  # compressing more than this takes over a millisecond: not on the loop
_GZIP_LEVEL = 5  # JSON gains little beyond it

RenderError = Callable[[GatewayError], bytes]


class Writer:
    """Writes one answer to one request."""

    def __init__(
        self, request: web.BaseRequest, receipt: Receipt, *, gzip_min_bytes: int | None, timeout_s: float
    ) -> None:
        self._request = request
        self._receipt = receipt
        self._gzip_min_bytes = gzip_min_bytes
        self._timeout_s = timeout_s

    async def write(self, rendered: Rendered, render_error: RenderError) -> web.StreamResponse:
        """Send a whole or a streamed answer. What its first chunk raises passes, since nothing was sent then."""
        if isinstance(rendered.body, bytes):
            return await self.whole(200, rendered.content_type, rendered.body)
        first = await anext(rendered.body, b"")
        response = web.StreamResponse(status=200, headers=self._headers(rendered.content_type))
        response.headers["cache-control"] = "no-cache"
        response.headers["x-accel-buffering"] = "no"  # a stream that nginx holds back is none
        await response.prepare(self._request)
        watch = _Watch(self._request, self._timeout_s)
        try:
            await self._chunks(response, first, rendered.body, watch)
        except GatewayError as error:
            if rendered.content_type.startswith("text/event-stream"):
                await watch.write(response, render_error(error))
            self._cut()
            raise StreamBroken(error, response) from error
        finally:
            watch.stop()
        return response

    async def whole(self, status: int, content_type: str, body: bytes) -> web.Response:
        """Return a whole answer, for aiohttp to send."""
        headers = self._headers(content_type)
        if self._can_gzip(content_type, body):
            headers["content-encoding"] = "gzip"
            headers["vary"] = "accept-encoding"
            body = await _compress(body)
        return web.Response(status=status, headers=headers, body=body)

    async def error(self, error: GatewayError, body: bytes) -> web.Response:
        """Return an error's answer, with what tells a client when to come back."""
        response = await self.whole(error.status, "application/json", body)
        if error.retry_after_s is not None:
            response.headers["retry-after"] = str(max(1, round(error.retry_after_s + 0.5)))
            response.headers["retry-after-ms"] = str(max(1, round(error.retry_after_s * 1000)))
        if not self._request.content.is_eof():
            response.force_close()  # the rest of a body that nobody reads must not be taken for the next request
        return response

    async def _chunks(
        self, response: web.StreamResponse, first: bytes, rest: AsyncIterator[bytes], watch: _Watch
    ) -> None:
        if first:
            await watch.write(response, first)
        async for chunk in rest:
            if chunk:
                await watch.write(response, chunk)
        await response.write_eof()

    def _headers(self, content_type: str) -> dict[str, str]:
        return receipt_headers(self._receipt) | {"content-type": content_type}

    def _can_gzip(self, content_type: str, body: bytes) -> bool:
        return (
            self._gzip_min_bytes is not None
            and len(body) >= self._gzip_min_bytes
            and content_type.startswith("application/json")
            and "gzip" in self._request.headers.get("accept-encoding", "")
        )

    def _cut(self) -> None:
        """End the connection after what is buffered, without the mark that says the answer is complete."""
        if self._request.transport is not None:
            self._request.transport.close()


class StreamBroken(Exception):
    """A streamed answer failed after it began; the client has been told as far as that is possible."""

    def __init__(self, error: GatewayError, response: web.StreamResponse) -> None:
        super().__init__(error.message)
        self.error = error
        self.response = response


def receipt_headers(receipt: Receipt) -> dict[str, str]:
    """Return what every answer says of itself: `x-request-id` and the `x-gateway-*` headers."""
    headers = {"server": SERVER, "x-request-id": receipt.id, "x-gateway-config": receipt.generation}
    if receipt.route:
        headers["x-gateway-route"] = receipt.route
    last = receipt.last
    if last is not None:
        provider, _, model = last.target.partition("/")
        headers["x-gateway-provider"] = provider
        headers["x-gateway-model"] = model
        headers["x-gateway-attempts"] = str(sum(attempt.outcome != "cached" for attempt in receipt.attempts))
    if receipt.cache != "off":
        headers["x-gateway-cache"] = receipt.cache
    if receipt.cost_nano_usd is not None:
        headers["x-gateway-cost-usd"] = f"{receipt.cost_nano_usd / NANO_USD:.9f}"
    return headers | receipt.headers


async def _compress(body: bytes) -> bytes:
    if len(body) > _THREAD_BYTES:
        return await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL, mtime=0)
    return gzip.compress(body, _GZIP_LEVEL, mtime=0)


class _Watch:
    """Gives up on a client that reads nothing for `timeout_s`: one timer a stream, not one a chunk."""

    def __init__(self, request: web.BaseRequest, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = request.transport
        self._timeout_s = timeout_s
        self._waiting_since_s: float | None = None
        self._timer = self._loop.call_later(timeout_s, self._look)

    async def write(self, response: web.StreamResponse, chunk: bytes) -> None:
        self._waiting_since_s = self._loop.time()
        await response.write(chunk)
        self._waiting_since_s = None

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        now_s = self._loop.time()
        due_s = self._timeout_s
        if self._waiting_since_s is not None:
            due_s = self._waiting_since_s + self._timeout_s - now_s
            if due_s <= 0:
                if self._transport is not None:
                    self._transport.abort()
                return
        self._timer = self._loop.call_later(due_s, self._look)

"""A whole answer: its head and its body in one write."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

from gateway.server.cors import Asked

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_NO_BODY = frozenset({204, 304})


class Whole(web.StreamResponse):
    """What aiohttp's server asks of an answer, and no more.

    Its own answers look, each time, for cookies, compression, chunks and payloads, which ours never have, and keep
    their headers for look-ups that nobody makes. Those without a body, and those to HTTP/1.0, are left to them.
    """

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:  # all of the state is here
        self._told_status = status
        self._told = headers
        self._bytes = body
        self._stays = True
        self._writer: AbstractStreamWriter | None = None
        self._other: web.Response | None = None

    def __repr__(self) -> str:
        return f"<Whole {self._told_status}>"

    @property
    def status(self) -> int:
        return self._told_status

    @property
    def headers(self) -> dict[str, str]:  # type: ignore[override]  # by lower-case names until they are sent
        return self._told

    @property
    def prepared(self) -> bool:
        return self._writer is not None or self._other is not None

    @property
    def keep_alive(self) -> bool:
        return self._stays

    def force_close(self) -> None:
        self._stays = False

    def set_status(self, status: int, reason: str | None = None) -> None:
        self._told_status = status

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._stays = self._stays and bool(request.keep_alive)
        status, headers = self._told_status, self._told
        if request.method == "HEAD" or status in _NO_BODY or request.version != HttpVersion11:
            self._other = web.Response(status=status, headers=headers, body=self._bytes)
            if not self._stays:
                self._other.force_close()
            return await self._other.prepare(request)
        headers["Content-Length"] = str(len(self._bytes))
        headers["Date"] = rfc822_formatted_time()
        if not self._stays:
            headers["Connection"] = "close"
        if isinstance(request, Asked) and request.cors is not None:
            await request.cors.mark(request, self)
        self._writer = request.writer
        line = f"HTTP/1.1 {status} {_REASONS.get(status, '')}"
        await self._writer.write_headers(line, headers)  # type: ignore[arg-type]  # of which it takes the items
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:
        if self._other is not None:
            await self._other.write_eof()
        elif self._writer is not None:
            await self._writer.write_eof(self._bytes)

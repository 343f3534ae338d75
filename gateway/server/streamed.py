"""A streamed answer, of which little is kept while it is written."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from gateway.server.told import NO_HEADERS


class Streamed(web.StreamResponse):
    """aiohttp's own, without its headers once they are sent: with their text they are 4 kB, as long as it takes."""

    is_chunked = False  # each piece is one of HTTP's chunks; known once the head is sent

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        is_first = not self.prepared
        writer = await super().prepare(request)
        if is_first:
            self.is_chunked = self._headers.get("transfer-encoding") == "chunked"
            self._headers = NO_HEADERS  # type: ignore[assignment]  # which raises where one is set too late
        return writer

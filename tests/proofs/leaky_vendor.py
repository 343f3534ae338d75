"""A vendor that quotes back every secret it was sent: in errors of every status, within streams, and in its headers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

STATUSES = (400, 401, 403, 404, 409, 422, 429, 500, 503)
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


@dataclass
class LeakyVendor:
    """`seen` is the text of all headers that it was ever sent, `alerts` what came to its webhook."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path.startswith("/hook"):
            self.alerts.append(request.path_qs)
            return web.Response()
        secrets = " ".join(request.headers.values()) + f" {request.path_qs}"
        self.seen.append(secrets)
        error = {"message": f"you sent: {secrets}", "type": "error", "param": None, "code": secrets}
        headers = {"x-request-id": "vendor-1", "x-debug": secrets}
        if b"in-stream" not in body:
            asked = next((status for status in STATUSES if f"status-{status}".encode() in body), 500)
            return web.Response(
                status=asked, text=json.dumps({"error": error}), content_type="application/json", headers=headers
            )
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **headers})
        await response.prepare(request)
        first = {**CHUNK, "choices": [{"index": 0, "delta": {"content": "so "}, "finish_reason": None}]}
        with suppress(ConnectionError):  # whoever has seen the error need not stay
            for event in (first, {"error": error}):
                await response.write(f"data: {json.dumps(event)}\n\n".encode())
            await response.write_eof()
        return response


@asynccontextmanager
async def leaky_vendor() -> AsyncIterator[LeakyVendor]:
    vendor = LeakyVendor()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vendor.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vendor
    finally:
        await runner.cleanup()

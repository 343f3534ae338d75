"""How tests of the HTTP transport send a request and read what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.types import Form, UpstreamRequest, UpstreamResponse
from gateway.upstream.http import HttpTransport
from tests.upstream.raw_server import Connection, answer


async def post(
    http: HttpTransport,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | Form = b"{}",
    *,
    connect_s: float = 2,
) -> UpstreamResponse:
    return await http.bind(connect_s)(UpstreamRequest("POST", url, headers or {}, body))


async def read(response: UpstreamResponse) -> bytes:
    return b"".join([chunk async for chunk in response.chunks])


def head_of(request: bytes) -> dict[str, str]:
    lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


async def echo(connection: Connection) -> None:
    """Answer each request with its own body."""
    while request := await connection.request():
        await connection.send(answer(request.split(b"\r\n\r\n", 1)[1]))

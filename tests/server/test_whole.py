"""A whole answer goes out byte for byte as aiohttp's own would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import product

import pytest
from aiohttp import web

from gateway.server.whole import Whole

HEADERS = {"server": "ai-service-gateway", "x-request-id": "r1", "content-type": "application/json"}
Make = Callable[[int, dict[str, str], bytes], web.StreamResponse]


def theirs(status: int, headers: dict[str, str], body: bytes) -> web.StreamResponse:
    return web.Response(status=status, headers=headers, body=body)


async def exchanged(make: Make, request: bytes, status: int, body: bytes, *, is_last: bool = False) -> list[bytes]:
    """Return what is sent, line by line, without the date; the connection is read until it ends, or for a moment."""

    async def answer(asked: web.BaseRequest) -> web.StreamResponse:
        made = make(status, dict(HEADERS), body)
        assert not made.prepared
        made.headers["retry-after"] = "1"
        if is_last:
            made.force_close()
        return made

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
        writer.write(request)
        sent = b""
        try:
            async with asyncio.timeout(0.1):
                while piece := await reader.read(65_536):
                    sent += piece
                sent += b"\nEND"
        except TimeoutError:
            pass  # it stays
        writer.close()
        return [line for line in sent.split(b"\n") if not line.startswith(b"Date: ")]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_it_is_sent_as_aiohttp_would(method: str, version: str) -> None:
    for status, body, connection in product((200, 204, 304, 416, 503, 599), (b"", b'{"a":1}'), ("", "close")):
        head = f"{method} / HTTP/{version}\r\nHost: a\r\n" + (f"Connection: {connection}\r\n" if connection else "")
        request = head.encode() + b"\r\n"
        case = (status, body, connection)
        assert (await exchanged(Whole, request, *case[:2]), case) == (await exchanged(theirs, request, *case[:2]), case)


async def test_one_that_is_the_last_says_so() -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    ours = await exchanged(Whole, request, 200, b"{}", is_last=True)
    assert b"Connection: close\r" in ours
    assert ours[-1] == b"END"
    assert ours == await exchanged(theirs, request, 200, b"{}", is_last=True)


async def test_two_that_are_asked_at_once_are_answered_one_after_the_other() -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2
    sent = await exchanged(Whole, request, 200, b"{}")
    assert b"".join(sent).count(b"HTTP/1.1 200 OK") == 2
    assert sent == await exchanged(theirs, request, 200, b"{}")


@pytest.mark.parametrize("value", ["a\r\nset-cookie: b", "a\nb", "a\0b"])
async def test_no_header_ends_its_line(value: str) -> None:
    def make(status: int, headers: dict[str, str], body: bytes) -> web.StreamResponse:
        return Whole(status, headers | {"x-bad": value}, body)

    assert await exchanged(make, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"{}") == [b"", b"END"]

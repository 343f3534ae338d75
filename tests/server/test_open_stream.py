"""Of a request whose answer takes long no more is kept than its end needs, and its connection goes on after it."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.http_parser import HttpRequestParser
from multidict import CIMultiDict

from gateway.server.connection import MAX_HEAD_LINE_BYTES
from gateway.server.streamed import Streamed
from gateway.types import Call, Chat, Head, Inbound
from tests.harness import Inside, inside
from tests.server.test_pouring import DONE, HEAD, chunk, event
from tests.test_openai_client import VENDOR, VENDOR_ROUTES
from tests.upstream.raw_server import Connection, raw_server

NEEDLESS = (Call, Chat, Head, Inbound, CIMultiDict, HttpRequestParser)
LAST = chunk(DONE) + b"0\r\n\r\n"
Sent = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def alive() -> Counter[type]:
    """Count the objects of types that an open stream has no use for."""
    gc.collect()
    return Counter(type(each) for each in gc.get_objects() if type(each) in NEEDLESS)


@asynccontextmanager
async def serving(folder: Path, routes: str = VENDOR_ROUTES) -> AsyncIterator[tuple[Inside, asyncio.Event]]:
    """Serve a vendor's streams, each of two events, the second of which comes once the event is set."""
    goes_on = asyncio.Event()

    async def talk(connection: Connection) -> None:
        while await connection.request():
            await connection.send(HEAD + chunk(event("so")))
            await goes_on.wait()
            await connection.send(chunk(event(" it is")) + LAST)

    async with raw_server(talk) as vendor:
        providers = VENDOR.format(base_url=f"{vendor.url}/v1", key="k")
        async with inside(folder, providers, routes) as gateway:
            yield gateway, goes_on


def chat(wants: str = "", *more: str) -> bytes:
    body = b'{"model":"chat","stream":true,"messages":[{"role":"user","content":"hello"}]%b}' % wants.encode()
    lines = ("POST /v1/chat/completions HTTP/1.1", "host: localhost", f"content-length: {len(body)}", *more)
    return "\r\n".join((*lines, "", "")).encode() + body


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("wants", ["", ',"stream_options":{"include_usage":true}'])
async def test_what_was_asked_is_not_kept_while_the_answer_comes(tmp_path: Path, wants: str) -> None:
    async with serving(tmp_path) as (gateway, goes_on), connected(gateway) as (reader, writer):
        before = alive()
        writer.write(chat(wants))
        async with asyncio.timeout(5):
            await reader.readuntil(event("so"))
        assert alive() - before == {}
        goes_on.set()
        assert event(" it is") in await answer(reader)


async def test_nor_where_the_answer_is_translated(tmp_path: Path) -> None:
    routes = VENDOR_ROUTES.replace("dialect: openai.chat", "dialect: openai.chat, verbatim: false")
    assert routes != VENDOR_ROUTES
    async with serving(tmp_path, routes) as (gateway, goes_on), connected(gateway) as (reader, writer):
        before = alive()
        writer.write(chat())
        async with asyncio.timeout(5):
            await reader.readuntil(b'"so"')
        assert alive() - before == {}
        goes_on.set()
        assert b'" it is"' in await answer(reader)


async def test_the_test_sees_what_is_kept(tmp_path: Path) -> None:
    before = alive()
    kept = CIMultiDict(a="b")
    assert alive() - before == {CIMultiDict: 1}
    del kept


@asynccontextmanager
async def connected(gateway: Inside) -> AsyncIterator[Sent]:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_a_connection_takes_the_next_request_after_a_stream(tmp_path: Path) -> None:
    async with serving(tmp_path) as (gateway, goes_on), connected(gateway) as (reader, writer):
        goes_on.set()
        for _ in range(3):
            writer.write(chat())
            assert DONE in await answer(reader)


@pytest.mark.parametrize("cut", [1, 10, 60, len(chat()) - 1, len(chat())])
async def test_the_beginning_of_another_request_is_not_lost(tmp_path: Path, cut: int) -> None:
    """It comes with the request whose answer is streamed, and its rest while that is, or after."""
    async with serving(tmp_path) as (gateway, goes_on), connected(gateway) as (reader, writer):
        for is_open in (True, False):
            goes_on.clear()
            writer.write(chat() + chat()[:cut])
            async with asyncio.timeout(5):
                await reader.readuntil(event("so"))
            if is_open:
                writer.write(chat()[cut:])
                await writer.drain()
            goes_on.set()
            assert DONE in await answer(reader)
            if not is_open:
                writer.write(chat()[cut:])
            assert DONE in await answer(reader)


async def test_a_request_in_pieces_is_followed_by_another(tmp_path: Path) -> None:
    """The second piece looks like a whole request: it has a blank line, and as many bytes after that as the body."""
    blank = b"\r\n\r\n"
    async with serving(tmp_path) as (gateway, goes_on), connected(gateway) as (reader, writer):
        goes_on.set()
        head, body = chat().split(blank)
        body = blank + body  # JSON may begin with blanks
        head = head.replace(b"content-length: %d" % (len(body) - 4), b"content-length: %d" % len(body))
        writer.write(head + blank[:-1])
        await asyncio.sleep(0.05)
        writer.write(blank[-1:] + body + chat()[:4])  # of which the body has four more before its own
        assert DONE in await answer(reader)
        writer.write(chat()[4:])
        assert DONE in await answer(reader)


@pytest.mark.parametrize(
    "bad", [b"this is no HTTP\r\n\r\n", chat("", "x-long: " + "a" * 2 * MAX_HEAD_LINE_BYTES)], ids=["words", "long"]
)
async def test_what_follows_a_stream_is_held_to_the_same_limits(tmp_path: Path, bad: bytes) -> None:
    async with serving(tmp_path) as (gateway, goes_on), connected(gateway) as (reader, writer):
        goes_on.set()
        writer.write(chat())
        await answer(reader)
        writer.write(bad)
        async with asyncio.timeout(5):
            assert b" 400 " in await reader.readline()


# ---------------------------------------------------------------- the answer's own head

HEADERS = {"server": "ai-service-gateway", "content-type": "text/event-stream", "x-request-id": "r1"}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_it_is_sent_as_aiohttp_would(method: str, version: str) -> None:
    async def exchanged(make: Callable[[], web.StreamResponse]) -> list[bytes]:
        async def stream(request: web.BaseRequest) -> web.StreamResponse:
            response = make()
            await response.prepare(request)
            await response.write(b"data: 1\n\n")
            return response

        runner = web.ServerRunner(web.Server(stream))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
            writer.write(f"{method} / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            sent = await reader.read()
            writer.close()
            return [line for line in sent.split(b"\n") if not line.startswith(b"Date: ")]
        finally:
            await runner.cleanup()

    ours = await exchanged(lambda: Streamed(status=200, headers=HEADERS))
    assert ours == await exchanged(lambda: web.StreamResponse(status=200, headers=HEADERS))
    assert b"x-request-id: r1\r" in ours

"""Every way in which an answer says where it ends, cut at every byte; and what is no answer is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.types import UpstreamRequest
from gateway.upstream.http import HttpTransport
from gateway.upstream.wire import MAX_HEAD_BYTES, MAX_UNFRAMED_BYTES
from tests.upstream.raw_server import Connection, raw_server
from tests.upstream.sending import read

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport("1.1 test")
    yield transport
    await transport.aclose()


@dataclass(frozen=True)
class Framing:
    answer: bytes
    body: bytes
    stays: bool = True  # the connection carries the next exchange
    method: str = "POST"
    status: int = 200


FRAMINGS = {
    "length": Framing(b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "nothing": Framing(b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b""),
    "chunks": Framing(CHUNKED + b"\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
    "chunks with all there is": Framing(CHUNKED + b'\r\n03;a="b"\r\nhel\r\n2;c\r\nlo\r\n0\r\nx: y\r\n\r\n', b"hello"),
    "chunks of it": Framing(CHUNKED + b"connection: close\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", b"0123456789", False),
    "end": Framing(b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nhello", b"hello", False),
    "old": Framing(b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", b"hello", False),
    "old that stays": Framing(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
    "204": Framing(b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n", b"", status=204),
    "304": Framing(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b"", status=304),
    "HEAD": Framing(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"", method="HEAD"),
    "HEAD in chunks": Framing(CHUNKED + b"\r\n", b"", method="HEAD"),
    "interim": Framing(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        b"HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\nno",
        b"no",
        status=429,
    ),
}  # fmt: skip


async def ask(http: HttpTransport, url: str, method: str = "POST") -> tuple[int, bytes]:
    """Return status and body of an answer that is read to its end."""
    response = await http.bind(2.0)(UpstreamRequest(method, url, {}, b"{}" if method == "POST" else b""))
    try:
        return response.status, await read(response)
    finally:
        await response.close()


async def turn() -> None:
    """Let the other end read what was sent, before more comes."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize("name", FRAMINGS)
async def test_an_answer_is_the_same_wherever_it_is_cut_in_two(http: HttpTransport, name: str) -> None:
    framing = FRAMINGS[name]
    cuts = iter(range(1, len(framing.answer)))

    async def talk(connection: Connection) -> None:
        while await connection.request():
            cut = next(cuts)
            connection.writer.write(framing.answer[:cut])
            await turn()
            connection.writer.write(framing.answer[cut:])
            if not framing.stays:
                return

    async with raw_server(talk) as server:
        for _ in range(1, len(framing.answer)):
            assert await ask(http, server.url, framing.method) == (framing.status, framing.body)
        assert server.connections == (1 if framing.stays else len(framing.answer) - 1)


@pytest.mark.parametrize("name", FRAMINGS)
async def test_an_answer_that_breaks_off_at_any_byte_is_no_answer(http: HttpTransport, name: str) -> None:
    framing = FRAMINGS[name]
    lengths = iter(range(1, len(framing.answer)))

    async def talk(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(framing.answer[: next(lengths)])

    body_at = framing.answer.index(b"\r\n\r\n") + 4
    async with raw_server(talk) as server:
        for length in range(1, len(framing.answer)):
            if name == "end" and length >= body_at:
                assert await ask(http, server.url) == (200, framing.answer[body_at:length])
                continue
            with pytest.raises(UpstreamCut):
                await ask(http, server.url, framing.method)


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"content-length: 2\r\n"
REFUSED = {
    "a line that ends in LF": OK + b"x: y\n" + LENGTH + b"\r\nok",
    "a head that ends in LF": OK + LENGTH + b"\nok",
    "CR within a value": OK + b"x: y\rz\r\n" + LENGTH + b"\r\nok",
    "NUL within a value": OK + b"x: y\0z\r\n" + LENGTH + b"\r\nok",
    "a folded line": OK + b"x: y\r\n z\r\n" + LENGTH + b"\r\nok",
    "a space before the colon": OK + b"content-length : 2\r\n\r\nok",
    "a space before the name": OK + b" x: y\r\n" + LENGTH + b"\r\nok",
    "no colon": OK + b"xyz\r\n" + LENGTH + b"\r\nok",
    "no name": OK + b": y\r\n" + LENGTH + b"\r\nok",
    "a name that is no token": OK + b"a/b: y\r\n" + LENGTH + b"\r\nok",
    "two lengths": OK + LENGTH + b"content-length: 3\r\n\r\nok",
    "two equal lengths": OK + LENGTH + LENGTH + b"\r\nok",
    "a list of lengths": OK + b"content-length: 2, 2\r\n\r\nok",
    "a signed length": OK + b"content-length: +2\r\n\r\nok",
    "no length": OK + b"content-length:\r\n\r\nok",
    "a length beyond all": OK + b"content-length: 99999999999999999999\r\n\r\nok",
    "a length and chunks": OK + LENGTH + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks and a length": CHUNKED + LENGTH + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks twice": CHUNKED + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks of chunks": OK + b"transfer-encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunks of gzip": OK + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip of chunks": OK + b"transfer-encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "gzip and, elsewhere, chunks": OK + b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": OK + b"transfer-encoding: xchunked\r\n\r\nok",
    "chunks in HTTP/1.0": CHUNKED.replace(b"1.1", b"1.0") + b"\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n" + LENGTH + b"\r\nok",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n" + LENGTH + b"\r\nok",
    "a status below 100": b"HTTP/1.1 099 Low\r\n" + LENGTH + b"\r\nok",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n" + LENGTH + b"\r\nok",
    "another protocol": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc",
    "another protocol, unsaid": b"HTTP/1.1 101 Switching\r\n\r\n",
    "a chunk of no size": CHUNKED + b"\r\nxy\r\nok\r\n0\r\n\r\n",
    "a chunk of a negative size": CHUNKED + b"\r\n-2\r\nok\r\n0\r\n\r\n",
    "a chunk of a size in C": CHUNKED + b"\r\n0x2\r\nok\r\n0\r\n\r\n",
    "a chunk beyond all": CHUNKED + b"\r\nfffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "a space after a chunk's size": CHUNKED + b"\r\n2 \r\nok\r\n0\r\n\r\n",
    "a chunk's size that ends in LF": CHUNKED + b"\r\n2\nok\r\n0\r\n\r\n",
    "a chunk's extension that ends in LF": CHUNKED + b"\r\n2;a\nok\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"\r\n2\r\nok!\r\n0\r\n\r\n",
    "a length among the trailers": CHUNKED + b"\r\n2\r\nok\r\n0\r\ncontent-length: 2\r\n\r\n",
    "a trailer that is none": CHUNKED + b"\r\n2\r\nok\r\n0\r\nx y\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n",
    "a page": b"<html>\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_can_be_read_in_two_ways_is_not_read(http: HttpTransport, name: str) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(REFUSED[name])
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        with pytest.raises(UpstreamMalformed, match=r"127\.0\.0\.1 answered with something that is not HTTP"):
            await ask(http, server.url)
        async with asyncio.timeout(5):
            await server.ended.wait()


# ---------------------------------------------------------------- limits


async def is_read(http: HttpTransport, *pieces: bytes) -> bool:
    """Return whether an answer in these pieces is read to its end, and not refused as too large."""

    async def talk(connection: Connection) -> None:
        await connection.request()
        for piece in pieces:
            connection.writer.write(piece)
            await turn()
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        try:
            await ask(http, server.url)
        except UpstreamMalformed as error:
            return "more than" not in error.message
        return True


def headers_of(size_bytes: int, *, count: int = 8) -> bytes:
    lines = [b"x%d: " % number for number in range(count)]
    left = size_bytes - sum(len(line) + 2 for line in lines)
    return b"".join(line + b"y" * (left // count) + b"\r\n" for line in lines[1:]) + (
        lines[0] + b"y" * (left - left // count * (count - 1)) + b"\r\n"
    )


@pytest.mark.parametrize("is_at_once", [True, False])
@pytest.mark.parametrize(("over", "is_fine"), [(-1, True), (0, True), (1, False)])
async def test_a_heads_limit_is_exact(http: HttpTransport, over: int, is_fine: bool, is_at_once: bool) -> None:
    """It counts the lines of headers; that they come with the body or alone makes no difference."""
    head = OK + headers_of(MAX_HEAD_BYTES + over - len(LENGTH)) + LENGTH + b"\r\n"
    if is_at_once:
        assert await is_read(http, head + b"ok") is is_fine
    else:
        assert await is_read(http, head[:100], head[100:] + b"o", b"k") is is_fine


async def test_a_head_without_end_is_refused(http: HttpTransport) -> None:
    assert not await is_read(http, OK + b"x: ", *[b"y" * 10_000] * 20)
    assert not await is_read(http, *[b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 200] * 10)


async def test_what_is_no_body_is_limited_between_two_pieces_of_it(http: HttpTransport) -> None:
    start, end = CHUNKED + b"\r\n2\r\nok\r\n", b"0\r\n\r\n"
    extension = b"2;" + b"e" * (MAX_UNFRAMED_BYTES - 100) + b"\r\nok\r\n"
    assert await is_read(http, start, *[extension] * 3, end)
    assert not await is_read(http, start, b"2;", *[b"e" * 10_000] * 20)
    assert not await is_read(http, start, b"0\r\n", *[b"x: y\r\n" * 2_000] * 20)
    assert not await is_read(http, start, *[b"0" * 10_000] * 20)


async def test_a_long_answer_of_small_chunks_is_within_all_limits(http: HttpTransport) -> None:
    assert await is_read(http, CHUNKED + b"\r\n", *[b"1\r\nx\r\n" * 3_000] * 20, b"0\r\n\r\n")


# ---------------------------------------------------------------- what comes besides


AFTER = {
    "noise": b"!",
    "a second answer": OK + LENGTH + b"\r\nno",
    "half of one": b"HTTP/1.1 2",
    "a page": b"<html>",
}


@pytest.mark.parametrize("is_at_once", [True, False])
@pytest.mark.parametrize("name", AFTER)
async def test_what_nobody_asked_for_ends_the_connection_and_is_no_answer(
    http: HttpTransport, name: str, is_at_once: bool
) -> None:
    """Pain 43: the next request would get it."""

    async def talk(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(OK + LENGTH + b"\r\nok" + (AFTER[name] if is_at_once else b""))
        if not is_at_once:
            await turn()
            connection.writer.write(AFTER[name])
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        for count in range(1, 4):
            assert await ask(http, server.url) == (200, b"ok")
            await turn()
            assert server.connections == count


async def test_a_body_where_there_is_none_is_nobodys_answer(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(OK + LENGTH + b"\r\nok")
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        for count in range(1, 4):
            assert await ask(http, server.url, "HEAD") == (200, b"")
            assert server.connections == count

"""Neither side runs ahead of the other by more than its buffers hold, and who leaves ends the connection at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.errors import UpstreamCut
from gateway.types import Form, UpstreamRequest
from gateway.upstream.answer import MAX_WAITING_BYTES
from gateway.upstream.files import ShortFile
from gateway.upstream.http import HttpTransport
from tests.given import upload
from tests.proofs.stepping import Interrupted, cancel
from tests.upstream.raw_server import Connection, answer, raw_server
from tests.upstream.sending import post, read

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE = b"%x\r\n%b\r\n" % (65_536, b"x" * 65_536)
SOCKETS_BYTES = 16_000_000  # more than the kernel's buffers of both ends hold; theirs grow while they are used


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport("1.1 test")
    yield transport
    await transport.aclose()


async def until_it_stays(value: Callable[[], int]) -> int:
    """Return what has not changed for a while."""
    seen = -1
    while seen != value():
        seen = value()
        await asyncio.sleep(0.1)
    return seen


async def test_of_an_answer_that_nobody_reads_little_is_taken(http: HttpTransport) -> None:
    sent = 0
    may_end = asyncio.Event()

    async def talk(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(CHUNKED)
        while not may_end.is_set():
            await connection.send(PIECE)
            sent += 65_536
        await connection.send(b"0\r\n\r\n")

    async with raw_server(talk) as server:
        response = await post(http, server.url)
        before = await until_it_stays(lambda: sent)
        assert before < SOCKETS_BYTES
        first = await anext(response.chunks)
        assert len(first) <= MAX_WAITING_BYTES + 262_144  # and what asyncio reads at once
        may_end.set()
        rest = await read(response)
        assert len(first) + len(rest) == sent


async def test_an_upload_is_read_as_fast_as_the_vendor_takes_it(http: HttpTransport) -> None:
    may_read = asyncio.Event()
    size = 40_000_000
    read_bytes = 0
    file = upload(b"x" * size)
    reading = file.file.read

    def counted(count: int = -1) -> bytes:
        nonlocal read_bytes
        piece = reading(count)
        read_bytes += len(piece)
        return piece

    file.file.read = counted  # type: ignore[method-assign]

    async def talk(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await may_read.wait()
        await connection.reader.readexactly(size)
        await connection.send(answer(b"ok"))

    async def ask(url: str) -> bytes:
        return await read(await http.bind(2)(UpstreamRequest("POST", url, {}, upload=file)))

    async with raw_server(talk) as server:
        asking = asyncio.create_task(ask(server.url))
        assert await until_it_stays(lambda: read_bytes) < SOCKETS_BYTES
        may_read.set()
        assert await asking == b"ok"
        assert read_bytes == size


async def test_a_file_that_is_shorter_than_it_was_ends_the_request(http: HttpTransport) -> None:
    file = upload(b"x" * 300_000)
    file.file.truncate(250_000)

    async def talk(connection: Connection) -> None:
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        with pytest.raises(ShortFile):
            await post(http, server.url, body=Form((), (("file", file),)))
        async with asyncio.timeout(5):
            await server.ended.wait()


async def test_an_answer_before_the_end_of_the_upload_is_read_and_ends_both(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        for count in (1, 2):
            response = await post(http, server.url, body=b"x" * 30_000_000)
            assert (response.status, await read(response)) == (413, b"no")
            async with asyncio.timeout(5):
                await server.ended.wait()
            assert server.connections == count


@pytest.mark.parametrize("size", [2, 3_000_000])
async def test_whoever_leaves_at_any_wait_ends_the_connection(http: HttpTransport, size: int) -> None:
    waits = 0
    all_sent = asyncio.Event()

    async def talk(connection: Connection) -> None:
        request = await connection.reader.readuntil(b"\r\n\r\n")
        length = int(request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await connection.reader.readexactly(length)
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", CHUNKED, *[b"2\r\nok\r\n"] * 3, pause_s=0.001)
        all_sent.set()
        await connection.until_hung_up()

    async def ask(url: str) -> None:
        response = await post(http, url, body=b"x" * size)
        try:
            await read(response)
        finally:
            await response.close()

    async with raw_server(talk) as server:
        while True:
            before = server.connections
            for event in (server.ended, all_sent):
                event.clear()
            stepped = Interrupted(ask(server.url), waits, cancel)
            asking = asyncio.ensure_future(_awaited(stepped))
            last = asyncio.ensure_future(all_sent.wait())
            await asyncio.wait([asking, last], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([asking], timeout=0.1)  # what was sent has arrived by then
            last.cancel()
            if not stepped.has_happened:  # it waits for an end that does not come: there is no further wait
                asking.cancel()
                await asyncio.wait([asking])
                break
            assert asking.cancelled()
            if server.connections > before:
                async with asyncio.timeout(5):
                    await server.ended.wait()
            waits += 1
        assert waits >= 4  # the connection, the head, and pieces of the body
        assert not http._pool._open


async def _awaited(stepped: Interrupted) -> None:
    await stepped


async def test_what_is_read_of_an_answer_that_was_closed_is_nobody_elses(http: HttpTransport) -> None:
    """Pain 43: its connection carries the next answer by then."""

    async def talk(connection: Connection) -> None:
        count = 0
        while await connection.request():
            count += 1
            await connection.send(answer(f"answer {count}".encode()))

    async with raw_server(talk) as server:
        first = await post(http, server.url)
        await first.close()
        second = await post(http, server.url)
        assert await read(first) == b"answer 1"
        assert await read(second) == b"answer 2"
        assert server.connections == 1


async def test_a_reader_who_waits_hears_that_the_answer_was_closed(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(CHUNKED)
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        response = await post(http, server.url)
        reading = asyncio.create_task(read(response))
        await asyncio.sleep(0.01)
        await response.close()
        with pytest.raises(UpstreamCut):
            await reading

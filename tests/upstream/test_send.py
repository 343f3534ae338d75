"""The only way out holds its deadlines: for the first byte, for silence in between, and for the call as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import UpstreamCut, UpstreamTimeout, UpstreamUnreachable
from gateway.plugin import Inline
from gateway.types import Target, Timeouts, UpstreamRequest, UpstreamResponse
from gateway.upstream import Upstream
from gateway.upstream.http import HttpTransport
from tests.given import plain_plugin, response, target
from tests.upstream.raw_server import Connection, answer, raw_server

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
NEVER = float("inf")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    made = Upstream(HttpTransport("1.1 test"))
    yield made
    await made.aclose()


def within(first_byte_s: float = 5, idle_s: float = 5) -> Target:
    return target(timeouts=Timeouts(2, first_byte_s, idle_s, 60))


def post(url: str) -> UpstreamRequest:
    return UpstreamRequest("POST", url, {}, b"{}")


async def read(found: UpstreamResponse) -> bytes:
    return b"".join([piece async for piece in found.chunks])


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def silent(connection: Connection) -> None:
    await connection.request()
    await connection.until_hung_up()


async def test_no_answer_in_time_is_a_timeout_and_the_vendor_is_left(upstream: Upstream) -> None:
    async with raw_server(silent) as server:
        started_s = now_s()
        with pytest.raises(
            UpstreamTimeout, match=r"vendor/model sent no answer within 0.1 s \(timeouts.first_byte_s\)"
        ):
            await upstream.send(post(server.url), within(first_byte_s=0.1), NEVER)
        assert 0.1 <= now_s() - started_s < 0.5
        async with asyncio.timeout(1):
            await server.ended.wait()


async def test_the_calls_deadline_comes_first_where_it_is_earlier(upstream: Upstream) -> None:
    async with raw_server(silent) as server:
        with pytest.raises(UpstreamTimeout, match="deadline"):
            await upstream.send(post(server.url), within(), now_s() + 0.05)


async def test_the_first_byte_may_come_just_in_time(upstream: Upstream) -> None:
    async def slow(connection: Connection) -> None:
        while await connection.request():
            await asyncio.sleep(0.15)
            await connection.send(answer(b"ok"))

    async with raw_server(slow) as server:
        assert await read(await upstream.send(post(server.url), within(first_byte_s=1), NEVER)) == b"ok"
        with pytest.raises(UpstreamTimeout):
            await upstream.send(post(server.url), within(first_byte_s=0.05), NEVER)


async def stalling(connection: Connection) -> None:
    await connection.request()
    await connection.send(HEAD, chunk(b"first"))
    await connection.until_hung_up()


async def test_a_stall_is_a_timeout_after_the_idle_time(upstream: Upstream) -> None:
    async with raw_server(stalling) as server:
        found = await upstream.send(post(server.url), within(idle_s=0.1), NEVER)
        assert await anext(found.chunks) == b"first"
        started_s = now_s()
        with pytest.raises(UpstreamTimeout, match=r"stalled: nothing for 0.1 s \(timeouts.idle_s\)"):
            await anext(found.chunks)
        assert 0.1 <= now_s() - started_s < 0.5
        await found.close()


async def test_a_slow_stream_is_no_stall(upstream: Upstream) -> None:
    async def slow(connection: Connection) -> None:
        await connection.request()
        await connection.send(HEAD, *[chunk(b"x")] * 6, b"0\r\n\r\n", pause_s=0.05)

    async with raw_server(slow) as server:
        assert await read(await upstream.send(post(server.url), within(idle_s=0.2), NEVER)) == b"x" * 6


async def test_the_time_that_a_client_takes_is_not_the_vendors(upstream: Upstream) -> None:
    async def quick(connection: Connection) -> None:
        await connection.request()
        await connection.send(HEAD, chunk(b"x"), pause_s=0.02)
        await asyncio.sleep(0.2)
        await connection.send(chunk(b"y") + b"0\r\n\r\n")

    async with raw_server(quick) as server:
        found = await upstream.send(post(server.url), within(idle_s=0.15), NEVER)
        assert await anext(found.chunks) == b"x"
        await asyncio.sleep(0.2)
        assert await anext(found.chunks) == b"y"
        await found.close()


async def test_a_stream_ends_with_the_calls_deadline(upstream: Upstream) -> None:
    async def endless(connection: Connection) -> None:
        await connection.request()
        await connection.send(HEAD)
        while True:
            await connection.send(chunk(b"x"), pause_s=0.01)

    async with raw_server(endless) as server:
        found = await upstream.send(post(server.url), within(), now_s() + 0.1)
        with pytest.raises(UpstreamTimeout, match="deadline"):
            await read(found)
        await found.close()


async def test_what_the_transport_says_passes(upstream: Upstream) -> None:
    async def cut(connection: Connection) -> None:
        await connection.request()
        await connection.send(HEAD, chunk(b"half"))

    async with raw_server(cut) as server:
        found = await upstream.send(post(server.url), within(), NEVER)
        with pytest.raises(UpstreamCut):
            await read(found)
        await found.close()
        port = server.port
    with pytest.raises(UpstreamUnreachable):
        await upstream.send(post(f"http://127.0.0.1:{port}"), within(), NEVER)


async def test_cancelling_passes_as_what_it_is(upstream: Upstream) -> None:
    async with raw_server(silent) as server:
        sending = asyncio.create_task(upstream.send(post(server.url), within(), NEVER))
        await asyncio.sleep(0.02)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_a_provider_inside_the_gateway_has_the_same_deadlines(upstream: Upstream) -> None:
    async def answered(request: UpstreamRequest) -> UpstreamResponse:
        await asyncio.sleep(float(request.headers.get("wait", "0")))
        return response(b"a", b"b")

    plugin: Any = plain_plugin()
    plugin.backend = Inline(answered)
    at = target(plugin=plugin, timeouts=Timeouts(1, 0.1, 1, 1))
    assert await read(await upstream.send(post("inline:"), at, NEVER)) == b"ab"
    with pytest.raises(UpstreamTimeout):
        await upstream.send(UpstreamRequest("POST", "inline:", {"wait": "5"}), at, NEVER)


async def test_closing_twice_does_no_harm() -> None:
    upstream = Upstream(HttpTransport("1.1 test"))
    async with raw_server(stalling) as server:
        found = await upstream.send(post(server.url), within(), NEVER)
        await upstream.aclose()
        await upstream.aclose()
        await found.close()
        async with asyncio.timeout(1):
            await server.ended.wait()

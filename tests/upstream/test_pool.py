"""Which connection a request goes over: the one used last, none that may be dead, and a new one where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import UpstreamCut, UpstreamUnreachable
from gateway.types import UpstreamRequest
from gateway.upstream import pool
from gateway.upstream.http import HttpTransport
from tests.upstream.raw_server import Connection, RawServer, answer, raw_server
from tests.upstream.sending import echo, read


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport("1.1 test")
    yield transport
    await transport.aclose()


async def ask(http: HttpTransport, server: RawServer, method: str = "POST") -> bytes:
    response = await http.bind(2.0)(UpstreamRequest(method, server.url, {}))
    return await read(response)


class Numbered:
    """Answers with the connection's number, counted from 1; `together` answers only when so many have asked."""

    def __init__(self, *headers: str) -> None:
        self.opened = 0
        self.open: list[Connection] = []
        self.together = asyncio.Barrier(1)
        self._headers = headers

    async def talk(self, connection: Connection) -> None:
        self.opened += 1
        number = self.opened
        self.open.append(connection)
        while await connection.request():
            await self.together.wait()
            await connection.send(answer(str(number).encode(), "200 OK", *self._headers))


async def crowd(http: HttpTransport, server: RawServer, vendor: Numbered, count: int) -> None:
    """Have so many connections opened; they are idle afterwards."""
    vendor.together = asyncio.Barrier(count)
    await asyncio.gather(*(ask(http, server) for _ in range(count)))
    vendor.together = asyncio.Barrier(1)


async def test_the_connection_that_was_used_last_is_used_first(http: HttpTransport) -> None:
    vendor = Numbered()
    async with raw_server(vendor.talk) as server:
        await crowd(http, server, vendor, 5)
        last = await ask(http, server)
        assert [await ask(http, server) for _ in range(10)] == [last] * 10
        assert server.connections == 5


async def test_origins_do_not_share_connections(http: HttpTransport) -> None:
    async with raw_server(echo) as one, raw_server(echo) as other:
        for _ in range(3):
            await ask(http, one)
            await ask(http, other)
        assert (one.connections, other.connections) == (1, 1)


async def test_of_a_crowds_connections_only_some_are_kept(http: HttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_IDLE", 3)
    vendor = Numbered()
    async with raw_server(vendor.talk) as server:
        await crowd(http, server, vendor, 4)
        await asyncio.sleep(0.02)
        assert sum(one.reader.at_eof() for one in vendor.open) == 1
        await crowd(http, server, vendor, 3)
        assert server.connections == 4


@pytest.mark.parametrize(("keepalive_s", "connections"), [(30.0, 1), (0.01, 2)])
async def test_a_connection_is_not_kept_longer_than_vendors_keep_it(
    http: HttpTransport, monkeypatch: pytest.MonkeyPatch, keepalive_s: float, connections: int
) -> None:
    monkeypatch.setattr(pool, "KEEPALIVE_S", keepalive_s)
    async with raw_server(echo) as server:
        await ask(http, server)
        await asyncio.sleep(0.02)
        await ask(http, server)
        assert server.connections == connections


async def test_idle_connections_are_closed_without_another_request(
    http: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "KEEPALIVE_S", 0.05)
    async with raw_server(echo) as server, asyncio.timeout(5):
        await ask(http, server)
        await server.ended.wait()


@pytest.mark.parametrize(("says", "connections"), [("timeout=1, max=100", 2), ("timeout=60", 1), ("max=7", 1)])
async def test_a_vendor_may_say_how_long_it_keeps_a_connection(
    http: HttpTransport, says: str, connections: int
) -> None:
    """A second less counts, for the way: of one second nothing is left."""
    vendor = Numbered(f"keep-alive: {says}")
    async with raw_server(vendor.talk) as server:
        await ask(http, server)
        await asyncio.sleep(0.01)
        await ask(http, server)
        assert server.connections == connections


# ---------------------------------------------------------------- connections that are dead


async def test_a_connection_that_was_closed_meanwhile_is_not_used(http: HttpTransport) -> None:
    """It does not matter whether the loop has heard of it: the socket is asked."""
    vendor = Numbered()
    async with raw_server(vendor.talk) as server:
        for count in range(1, 6):
            assert await ask(http, server) == str(count).encode()
            vendor.open[-1].writer.transport.abort()
            await asyncio.sleep(0)  # its socket is closed by now, and the client's has not been looked at


async def falling(connection: Connection, *, answers: int, reset: bool = False) -> None:
    """Answer some requests, and close without a word when the next one is there."""
    for _ in range(answers):
        await connection.request()
        await connection.send(answer(b"ok"))
    await connection.request()
    if reset:
        connection.reset()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_get_that_a_used_connection_did_not_answer_is_sent_once_more(http: HttpTransport, reset: bool) -> None:
    async def talk(connection: Connection) -> None:
        await falling(connection, answers=1, reset=reset)

    async with raw_server(talk) as server:
        assert [await ask(http, server, "GET") for _ in range(4)] == [b"ok"] * 4
        assert (server.connections, len(server.requests)) == (4, 7)


@pytest.mark.parametrize("reset", [False, True])
async def test_a_post_is_never_sent_twice(http: HttpTransport, reset: bool) -> None:
    """The vendor may have begun with it: whether it is repeated, failover decides."""

    async def talk(connection: Connection) -> None:
        await falling(connection, answers=1, reset=reset)

    async with raw_server(talk) as server:
        assert await ask(http, server) == b"ok"
        with pytest.raises(UpstreamCut, match="before it answered"):
            await ask(http, server)
        assert (server.connections, len(server.requests)) == (1, 2)


async def test_a_get_over_a_new_connection_is_not_repeated(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await falling(connection, answers=0)

    async with raw_server(talk) as server:
        with pytest.raises(UpstreamCut):
            await ask(http, server, "GET")
        assert len(server.requests) == 1


async def test_a_get_is_repeated_only_once(http: HttpTransport) -> None:
    count = 0

    async def talk(connection: Connection) -> None:
        nonlocal count
        count += 1
        await falling(connection, answers=int(count == 1))

    async with raw_server(talk) as server:
        assert await ask(http, server, "GET") == b"ok"
        with pytest.raises(UpstreamCut):
            await ask(http, server, "GET")
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_get_of_which_a_byte_was_answered_is_not_repeated(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer(b"ok"))
        await connection.request()
        await connection.send(b"H")

    async with raw_server(talk) as server:
        assert await ask(http, server, "GET") == b"ok"
        with pytest.raises(UpstreamCut):
            await ask(http, server, "GET")
        assert len(server.requests) == 2


# ---------------------------------------------------------------- connections that are there before anybody asks


async def connected(server: RawServer, count: int) -> None:
    async with asyncio.timeout(10):
        while server.connections < count:
            await asyncio.sleep(0.005)


async def test_warm_connections_are_there_before_the_first_request_and_carry_it(http: HttpTransport) -> None:
    vendor = Numbered()
    async with raw_server(vendor.talk) as server:
        for _ in range(2):
            http.warm({f"{server.url}/v1": 3, f"{server.url}/v2": 2})
        await connected(server, 3)
        await crowd(http, server, vendor, 3)
        await asyncio.sleep(0.02)
        assert server.connections == 3
        http.warm({})


async def test_warm_connections_that_end_are_replaced_until_nobody_wants_them(
    http: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "KEEPALIVE_S", 0.05)
    async with raw_server(echo) as server:
        http.warm({server.url: 2})
        await connected(server, 4)
        http.warm({})
        async with asyncio.timeout(10):
            while http._pool._open:
                await asyncio.sleep(0.02)


async def test_a_vendor_that_is_away_is_no_fault_of_warm_connections(http: HttpTransport) -> None:
    async with raw_server(echo) as server:
        pass
    http.warm({server.url: 2})
    await asyncio.sleep(0.02)
    with pytest.raises(UpstreamUnreachable):
        await ask(http, server)

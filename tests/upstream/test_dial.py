"""Names are looked up once, addresses tried side by side, and nobody is spoken to whom no authority vouches for."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import UpstreamUnreachable
from gateway.upstream import dial
from gateway.upstream.http import HttpTransport
from tests.untrusted import untrusted
from tests.upstream.authority import Authority
from tests.upstream.raw_server import Connection, answer, raw_server
from tests.upstream.sending import echo, post, read


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def http(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpTransport]:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    transport = HttpTransport("1.1 test")
    yield transport
    await transport.aclose()


class Names:
    """What DNS says, and how often it was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.places: list[tuple[Any, ...]] = []
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._find)

    def point(self, port: int, *hosts: str) -> None:
        self.places = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (host, port, 0, 0))
            if ":" in host
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host in hosts
        ]

    async def _find(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        await self.may_answer.wait()
        if not self.places:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return self.places


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    return Names(monkeypatch)


# ---------------------------------------------------------------- names and addresses


async def closing(connection: Connection) -> None:
    await connection.request()
    await connection.send(answer(b"ok", "200 OK", "connection: close"))


async def test_a_name_is_looked_up_once_a_minute(
    http: HttpTransport, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(closing) as server:
        names.point(server.port, "127.0.0.1")
        for _ in range(3):
            assert await read(await post(http, "http://vendor.example")) == b"ok"
        assert (server.connections, names.asked) == (3, 1)
        monkeypatch.setattr(dial, "NAME_TTL_S", 0.0)
        assert await read(await post(http, "http://vendor.example")) == b"ok"
        assert names.asked == 1
        assert await read(await post(http, f"http://vendor.example:{server.port}")) == b"ok"
        assert await read(await post(http, f"http://vendor.example:{server.port}")) == b"ok"
        assert names.asked == 3


async def test_a_crowd_asks_for_a_name_once_and_who_leaves_takes_it_from_nobody(
    http: HttpTransport, names: Names
) -> None:
    async with raw_server(closing) as server:
        names.point(server.port, "127.0.0.1")
        names.may_answer.clear()
        crowd = [asyncio.create_task(post(http, "http://vendor.example")) for _ in range(20)]
        await asyncio.sleep(0.01)
        crowd[0].cancel()
        await asyncio.sleep(0.01)
        names.may_answer.set()
        found = await asyncio.gather(*crowd, return_exceptions=True)
        assert isinstance(found[0], asyncio.CancelledError)
        assert [one.status for one in found[1:] if not isinstance(one, BaseException)] == [200] * 19
        assert names.asked == 1


async def test_a_name_that_fails_is_asked_for_again(http: HttpTransport, names: Names) -> None:
    with pytest.raises(UpstreamUnreachable, match="not known to DNS"):
        await post(http, "http://vendor.example")
    async with raw_server(closing) as server:
        names.point(server.port, "127.0.0.1")
        assert (await post(http, "http://vendor.example")).status == 200
        port = server.port
    with pytest.raises(UpstreamUnreachable, match="connect"):
        await post(http, "http://vendor.example")
    async with raw_server(closing) as server:
        assert server.port != port
        names.point(server.port, "127.0.0.1")
        assert (await post(http, "http://vendor.example")).status == 200  # it has moved


async def test_where_one_address_is_dead_the_next_is_taken(http: HttpTransport, names: Names) -> None:
    async with raw_server(closing) as server:
        names.point(server.port, "::1", "127.0.0.1")  # nobody listens at the first
        assert (await post(http, "http://vendor.example")).status == 200
    with pytest.raises(UpstreamUnreachable, match="connect"):
        await post(http, "http://vendor.example")


async def test_where_one_address_is_silent_the_next_is_taken_soon(http: HttpTransport, names: Names) -> None:
    """The queue of a listener is full: no answer to the handshake, not even a refusal."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        queued = [socket.socket() for _ in range(4)]
        for waiting in queued:
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))
        async with raw_server(closing) as server:
            names.point(server.port, "127.0.0.1")
            names.places.insert(0, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port)))
            assert (await post(http, "http://vendor.example", connect_s=30)).status == 200
        for waiting in queued:
            waiting.close()


async def test_the_time_to_connect_counts_the_name_too(http: HttpTransport, names: Names) -> None:
    names.may_answer.clear()
    with pytest.raises(UpstreamUnreachable, match=r"no connection to vendor.example within 0.05 s"):
        await post(http, "http://vendor.example", connect_s=0.05)


# ---------------------------------------------------------------- TLS


async def test_a_vendor_is_told_the_name_and_spoken_to_in_http_1_1(
    http: HttpTransport, authority: Authority, names: Names
) -> None:
    spoken: list[object] = []
    tls = authority.server("vendor.example", "127.0.0.1")
    tls.sni_callback = lambda _, name, __: spoken.append(name)

    async def talk(connection: Connection) -> None:
        spoken.append(connection.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await echo(connection)

    async with raw_server(talk, tls) as server:
        names.point(server.port, "127.0.0.1")
        for _ in range(3):
            assert await read(await post(http, "https://vendor.example")) == b"{}"
        assert (server.connections, spoken) == (1, ["vendor.example", "http/1.1"])
        assert await read(await post(http, f"https://127.0.0.1:{server.port}")) == b"{}"
        assert spoken[2:] == [None, "http/1.1"]  # an address is no name to ask for


FALSE = ("another name", "expired", "self-signed")


@pytest.mark.parametrize("how", FALSE)
async def test_a_vendor_that_cannot_show_who_it_is_gets_nothing(
    http: HttpTransport, authority: Authority, names: Names, tmp_path: Path, how: str
) -> None:
    tls: ssl.SSLContext
    if how == "self-signed":
        tls = untrusted(tmp_path)
    else:
        tls = authority.server("vendor.example" if how == "expired" else "rival.example", is_expired=how == "expired")
    async with raw_server(echo, tls) as server:
        names.point(server.port, "127.0.0.1")
        with pytest.raises(UpstreamUnreachable, match="its TLS certificate was not accepted"):
            await post(http, "https://vendor.example", {"authorization": "Bearer sk-canary"})
        assert server.requests == []


async def test_a_vendor_that_is_slow_with_tls_is_not_waited_for(http: HttpTransport) -> None:
    async def mute(connection: Connection) -> None:
        await connection.until_hung_up()

    async with raw_server(mute) as server:
        with pytest.raises(UpstreamUnreachable, match=r"within 0.1 s"):
            await post(http, f"https://127.0.0.1:{server.port}", connect_s=0.1)
        async with asyncio.timeout(5):
            await server.ended.wait()


async def test_an_answer_under_tls_that_breaks_off_and_one_that_is_left_end_the_connection(
    http: HttpTransport, authority: Authority
) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf")
        await connection.until_hung_up()

    async with raw_server(talk, authority.server("127.0.0.1")) as server:
        response = await post(http, f"https://127.0.0.1:{server.port}")
        assert await anext(response.chunks) == b"half"
        await response.close()
        async with asyncio.timeout(5):
            await server.ended.wait()

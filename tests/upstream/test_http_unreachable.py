"""A vendor that cannot be reached: nothing was sent, and the error says why."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import UpstreamUnreachable
from gateway.upstream.http import HttpTransport
from tests.untrusted import untrusted
from tests.upstream.raw_server import Connection, raw_server
from tests.upstream.sending import echo, post


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport("1.1 test-gateway")
    yield transport
    await transport.aclose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_refused_connection_is_unreachable(http: HttpTransport) -> None:
    with pytest.raises(UpstreamUnreachable, match=r"no connection to 127.0.0.1: connect"):
        await post(http, f"http://127.0.0.1:{free_port()}")


async def test_a_name_that_dns_does_not_know_is_unreachable(http: HttpTransport) -> None:
    with pytest.raises(UpstreamUnreachable, match="not known to DNS"):
        await post(http, "http://no-such-vendor.invalid")


async def test_a_connection_that_does_not_come_about_in_time_is_unreachable(http: HttpTransport) -> None:
    """A listener whose queue is full answers no further handshake."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        queued = []
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
            queued.append(waiting)
        with pytest.raises(UpstreamUnreachable, match=r"within 0.2 s"):
            await post(http, f"http://127.0.0.1:{port}", connect_s=0.2)
        for waiting in queued:
            waiting.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's context whose certificate nobody has vouched for."""
    folder: Path = tmp_path_factory.mktemp("tls")
    return untrusted(folder)


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted(http: HttpTransport, tls: ssl.SSLContext) -> None:
    async with raw_server(echo, tls) as server:
        with pytest.raises(UpstreamUnreachable, match="certificate was not accepted"):
            await post(http, f"https://127.0.0.1:{server.port}", {"authorization": "Bearer sk-canary"})
        assert server.requests == []


async def test_a_vendor_that_speaks_no_tls_is_unreachable(http: HttpTransport) -> None:
    async def shout(connection: Connection) -> None:
        await connection.reader.read(10)
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(shout) as server:
        with pytest.raises(UpstreamUnreachable, match="TLS"):
            await post(http, f"https://127.0.0.1:{server.port}")

"""Through a proxy, where providers.yaml says so: and what the environment names is not looked at anywhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.errors import UpstreamUnreachable
from gateway.types import Target, UpstreamRequest
from gateway.upstream import Upstream
from gateway.upstream.http import HttpTransport
from tests.given import target
from tests.upstream.raw_server import Connection, answer, raw_server
from tests.upstream.sending import echo, head_of, read

FAR = float("inf")


def by_proxy() -> Target:
    at = target()
    return replace(at, provider=replace(at.provider, proxy="environment"))


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    made = Upstream(HttpTransport("1.1 test"))
    yield made
    await made.aclose()


async def test_only_a_provider_that_says_so_goes_through_the_proxy(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with raw_server(echo) as proxy, raw_server(echo) as vendor:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        request = UpstreamRequest("POST", f"{vendor.url}/v1?a=%2F", {"x-a": "b"}, b"hello")
        for at in (target(), by_proxy()):
            found = await upstream.send(request, at, FAR)
            assert (found.status, await read(found)) == (200, b"hello")
            await found.close()
        assert (len(vendor.requests), len(proxy.requests)) == (1, 1)
        assert proxy.requests[0].startswith(f"POST {vendor.url}/v1?a=%2F HTTP/1.1\r\n".encode())
        assert head_of(proxy.requests[0])["via"] == "1.1 test"


async def test_a_vendor_under_tls_is_reached_through_a_tunnel_that_a_proxy_may_refuse(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer(b"", "407 Proxy Authentication Required"))

    async with raw_server(refuse) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(UpstreamUnreachable, match="the proxy answered 407"):
            await upstream.send(
                UpstreamRequest("POST", "https://vendor.example/v1", {"authorization": "Bearer sk-canary"}),
                by_proxy(),
                FAR,
            )
        assert proxy.requests[0].startswith(b"CONNECT vendor.example:443 HTTP/1.1\r\n")
        assert b"canary" not in b"".join(proxy.requests)

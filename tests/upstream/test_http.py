"""HTTP to vendors over real sockets: nothing is followed, decoded or hidden, and every failure has its own name."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from gateway.errors import GatewayError, UpstreamCut, UpstreamMalformed, UpstreamUnreachable
from gateway.types import Form
from gateway.upstream.http import HttpTransport
from tests.given import upload
from tests.upstream.raw_server import Connection, RawServer, answer, raw_server
from tests.upstream.sending import echo, head_of, post, read

VIA = "1.1 test-gateway"


@pytest.fixture
async def http() -> AsyncIterator[HttpTransport]:
    transport = HttpTransport(VIA)
    yield transport
    await transport.aclose()


async def test_a_request_goes_out_with_what_it_holds_and_little_else(http: HttpTransport) -> None:
    async with raw_server(echo) as server:
        response = await post(
            http, f"{server.url}/v1/chat?x=%2F", {"authorization": "Bearer k", "x-a": "1"}, b'{"a":1}'
        )
        assert (response.status, await read(response)) == (200, b'{"a":1}')
    assert server.requests[0].startswith(b"POST /v1/chat?x=%2F HTTP/1.1\r\n")
    assert head_of(server.requests[0]) == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": "Bearer k",
        "x-a": "1",
        "accept-encoding": "identity",
        "via": VIA,
        "content-length": "7",
    }


@pytest.mark.parametrize("path", ["/v1/../admin", "/a%2Fb", "/a//b", "/%41", "/models/a%3Fx"])
async def test_a_path_goes_out_as_it_stands(http: HttpTransport, path: str) -> None:
    async with raw_server(echo) as server:
        await read(await post(http, server.url + path))
    assert server.requests[0].startswith(f"POST {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed_and_carries_no_key_elsewhere(http: HttpTransport, status: str) -> None:
    async with raw_server(echo) as thief:

        async def redirecting(connection: Connection) -> None:
            while await connection.request():
                await connection.send(answer(b"", status, f"location: {thief.url}/steal"))

        async with raw_server(redirecting) as server:
            response = await post(http, server.url, {"authorization": "Bearer sk-canary", "x-api-key": "sk-canary"})
            assert response.status == int(status[:3])
            assert response.headers["location"] == f"{thief.url}/steal"
            await read(response)
            assert (len(server.requests), thief.connections) == (1, 0)


async def test_a_compressed_answer_is_not_unpacked(http: HttpTransport) -> None:
    """A gzip bomb stays as small as it came."""
    packed = gzip.compress(b"x" * 1_000_000)

    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer(packed, "200 OK", "content-encoding: gzip"))

    async with raw_server(talk) as server:
        assert await read(await post(http, server.url)) == packed


async def test_no_cookie_is_kept(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        while await connection.request():
            await connection.send(answer(b"", "200 OK", "set-cookie: a=b; Path=/"))

    async with raw_server(talk) as server:
        for _ in range(2):
            await read(await post(http, server.url))
    assert all("cookie" not in head_of(request) for request in server.requests)


async def test_proxies_of_the_environment_are_not_asked(http: HttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    async with raw_server(echo) as proxy, raw_server(echo) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await post(http, server.url)).status == 200
        assert proxy.connections == 0


# ---------------------------------------------------------------- a broken answer


async def hang_up(connection: Connection) -> None:
    await connection.request()


async def reset(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def half_a_head(connection: Connection) -> None:
    await connection.request()
    await connection.send(b"HTTP/1.1 200 OK\r\ncontent-le")


@pytest.mark.parametrize("talk", [hang_up, reset, half_a_head])
async def test_a_connection_that_ends_before_the_answer_is_cut(http: HttpTransport, talk: object) -> None:
    async with raw_server(talk) as server:  # type: ignore[arg-type]
        with pytest.raises(UpstreamCut):
            await post(http, server.url)


@pytest.mark.parametrize(
    "gibberish", [b"SSH-2.0-OpenSSH_9.9\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"]
)
async def test_what_is_no_http_is_malformed(http: HttpTransport, gibberish: bytes) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(gibberish)
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        with pytest.raises(UpstreamMalformed):
            await post(http, server.url)


CUT = {
    "length": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    "chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "within a chunk": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nhalf",
}


@pytest.mark.parametrize("how", CUT)
@pytest.mark.parametrize("is_reset", [False, True])
async def test_an_answer_that_ends_in_its_middle_is_cut(http: HttpTransport, how: str, is_reset: bool) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(CUT[how])
        await asyncio.sleep(0.02)
        if is_reset:
            connection.reset()

    async with raw_server(talk) as server:
        response = await post(http, server.url)
        assert await anext(response.chunks) == b"half"
        with pytest.raises(UpstreamCut, match="in the middle"):
            await read(response)
        await response.close()


async def test_a_broken_chunk_is_no_clean_end(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n")
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        with pytest.raises(GatewayError):
            await read(await post(http, server.url))


@pytest.mark.parametrize("secret", ["sk-canary\n", "k\r\nx-evil: 1", "k\0"])
async def test_a_credential_that_would_end_its_line_does_not_go_out(http: HttpTransport, secret: str) -> None:
    async with raw_server(echo) as server:
        with pytest.raises(UpstreamUnreachable, match="credential or header") as caught:
            await post(http, server.url, {"authorization": f"Bearer {secret}"})
        assert server.requests == []
        assert "canary" not in caught.value.message


async def test_bytes_that_a_client_sent_in_a_header_are_no_fault_of_ours(http: HttpTransport) -> None:
    async with raw_server(echo) as server:
        await read(await post(http, server.url, {"openai-beta": "\udcff\udcfe é"}))
    assert head_of(server.requests[0])["openai-beta"].endswith("é")


# ---------------------------------------------------------------- connections


async def test_closing_an_unfinished_answer_is_seen_by_the_vendor_at_once(http: HttpTransport) -> None:
    """Pain 19."""

    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        response = await post(http, server.url)
        await anext(response.chunks)
        loop = asyncio.get_running_loop()
        closed_s = loop.time()
        for _ in range(3):  # idempotent
            await response.close()
        async with asyncio.timeout(1):
            await server.ended.wait()
        assert loop.time() - closed_s < 0.05


async def test_cancelling_a_request_is_seen_by_the_vendor_at_once(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.until_hung_up()

    async with raw_server(talk) as server:
        asking = asyncio.create_task(post(http, server.url))
        while not server.requests:
            await asyncio.sleep(0.001)
        loop = asyncio.get_running_loop()
        cancelled_s = loop.time()
        asking.cancel()
        async with asyncio.timeout(1):
            await server.ended.wait()
        assert loop.time() - cancelled_s < 0.05
        with pytest.raises(asyncio.CancelledError):
            await asking


async def asked_and_closed(http: HttpTransport, server: RawServer, count: int, *, reads: bool = True) -> None:
    for _ in range(count):
        response = await post(http, server.url)
        if reads:
            await read(response)
        await response.close()


async def test_the_connection_of_a_finished_answer_is_used_again(http: HttpTransport) -> None:
    async with raw_server(echo) as server:
        await asked_and_closed(http, server, 5)
        assert (len(server.requests), server.connections) == (5, 1)


async def test_the_connection_of_an_unfinished_answer_is_not(http: HttpTransport) -> None:
    """Pain 43: no answer is one off."""

    async def talk(connection: Connection) -> None:
        while await connection.request():
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf")

    async with raw_server(talk) as server:
        await asked_and_closed(http, server, 3, reads=False)
        assert server.connections == 3


async def test_as_many_connections_are_opened_as_are_needed_at_once(http: HttpTransport) -> None:
    together = asyncio.Barrier(120)

    async def talk(connection: Connection) -> None:
        await connection.request()
        await together.wait()
        await connection.send(answer(b"ok"))

    async with raw_server(talk) as server, asyncio.timeout(10):
        found = await asyncio.gather(*(post(http, server.url) for _ in range(120)))
        assert [await read(response) for response in found] == [b"ok"] * 120


async def test_a_form_goes_out_with_its_length_and_not_in_chunks(http: HttpTransport) -> None:
    form = Form((("model", "whisper-1"),), (("file", upload(b"RIFF" * 100_000)),))
    async with raw_server(echo) as server:
        for _ in range(2):  # it can be sent again
            await read(await post(http, server.url, body=form))
    for request in server.requests:
        head = head_of(request)
        assert head["content-type"].startswith("multipart/form-data; boundary=")
        assert "transfer-encoding" not in head
        assert b"RIFF" * 100_000 in request


async def test_an_answer_that_comes_before_the_upload_was_sent_is_read(http: HttpTransport) -> None:
    async def refuse(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.send(answer(b"no", "401 Unauthorized", "connection: close"))
        await connection.until_hung_up()

    async with raw_server(refuse) as server:
        response = await post(http, server.url, body=Form((), (("file", upload(b"x" * 3_000_000)),)))
        assert (response.status, await read(response)) == (401, b"no")
        await response.close()


async def test_headers_are_lower_case(http: HttpTransport) -> None:
    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer(b"", "200 OK", "Content-Type: text/x", "X-Ratelimit-Limit: 5"))

    async with raw_server(talk) as server:
        headers = (await post(http, server.url)).headers
    assert (headers["content-type"], headers["x-ratelimit-limit"]) == ("text/x", "5")

"""What is refused before it is routed, over raw sockets: requests that two parsers could read differently."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.harness import ROUTES, SANDBOX, Inside, inside

BODY = b'{"model":"chat","messages":[{"role":"user","content":"hi"}]}'


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path, SANDBOX, ROUTES) as running:
        yield running


async def exchange(gateway: Inside, raw: bytes, *, timeout_s: float = 3.0) -> tuple[int, dict[str, object]]:
    """Send bytes on a connection of their own; return the status and the error of the first answer."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(raw)
        async with asyncio.timeout(timeout_s):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
            )
            body = await reader.readexactly(length)
        return int(head.split()[1]), orjson.loads(body).get("error", {})
    finally:
        writer.close()


def post(
    *headers: bytes, target: bytes = b"/v1/chat/completions", version: bytes = b"1.1", body: bytes = BODY
) -> bytes:
    lines = [b"POST %b HTTP/%b" % (target, version), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


HOST = b"Host: localhost"
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


async def test_a_plain_request_passes(gateway: Inside) -> None:
    assert (await exchange(gateway, post(HOST, LENGTH)))[0] == 200
    assert (await exchange(gateway, post(HOST, b"Transfer-Encoding: chunked", body=CHUNKED)))[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        post(HOST, b"Transfer-Encoding: gzip, chunked", body=CHUNKED),
        post(HOST, b"Transfer-Encoding: chunked, chunked", body=CHUNKED),
        post(HOST, b"Transfer-Encoding: ", LENGTH),
        post(HOST, b"Transfer-Encoding: chunked", LENGTH, body=CHUNKED),
        post(HOST, b"Transfer-Encoding: chunked", version=b"1.0", body=CHUNKED),
        post(HOST, b"Content-Length: 0%d" % len(BODY)),
        post(HOST, b"Content-Length: +%d" % len(BODY)),
        post(HOST, LENGTH, LENGTH),
        post(HOST, b"Content-Length: 1, 2"),
        post(LENGTH),
        post(HOST, HOST, LENGTH),
        post(b"Host: ", LENGTH),
        post(b"Host: user@localhost", LENGTH),
        post(b"Host: localhost/path", LENGTH),
        post(HOST, LENGTH, target=b"http://localhost/v1/chat/completions"),
        post(HOST, LENGTH, version=b"2.0"),
        post(HOST, LENGTH, target=b"/v1/../v1/chat/completions"),
        post(HOST, LENGTH, target=b"/v1/./chat/completions"),
        post(HOST, LENGTH, target=b"/v1//chat/completions"),
        post(HOST, LENGTH, target=b"/v1/%2e%2e/chat/completions"),
        post(HOST, LENGTH, target=b"/v1%2fchat/completions"),
        post(HOST, LENGTH, target=b"/v1\\chat/completions"),
        post(HOST, LENGTH, target=b"/v1/%5cchat/completions"),
        post(HOST, LENGTH, target=b"/v1/chat/completions#fragment"),
        post(HOST, LENGTH, target="/v1/chät/completions".encode()),
        post(HOST, LENGTH, target=b"/v1/chat/%00completions"),
        post(HOST, LENGTH, target=b"/v1/chat/%zzcompletions"),
        post(HOST, LENGTH, target=b"v1/chat/completions"),
        post(HOST, LENGTH, target=b"*"),
        post(HOST, b"Content-Encoding: gzip", LENGTH),
        b"TRACE /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health/live\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        post(HOST, b"A header without a colon", LENGTH),
        post(HOST, b"X-A: " + b"a" * 20_000, LENGTH),
    ],
    ids=lambda raw: raw.split(b"\r\n\r\n")[0][:70].decode(errors="replace"),
)
async def test_an_ambiguous_request_is_a_400(gateway: Inside, raw: bytes) -> None:
    status, error = await exchange(gateway, raw)

    assert status == 400
    assert error["message"]


async def test_an_unknown_path_is_a_404_and_a_wrong_method_a_405_that_says_which_are_right(gateway: Inside) -> None:
    status, error = await exchange(gateway, post(HOST, LENGTH, target=b"/v1/chat/completion"))
    assert (status, error["code"]) == (404, "not_found")

    status, error = await exchange(gateway, b"GET /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (status, error["message"]) == (405, "/v1/chat/completions takes POST, not GET")


@pytest.mark.parametrize("raw", [post(HOST, b"Content-Length: -5"), b"\x16\x03\x01\x00\xff", post(HOST, LENGTH)])
async def test_no_answer_names_the_library_behind_it(gateway: Inside, raw: bytes) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    writer.close()
    assert b"server: ai-service-gateway\r\n" in head
    assert b"aiohttp" not in head


async def test_a_401_names_the_scheme(tmp_path: Path) -> None:
    async with (
        inside(tmp_path, SANDBOX, ROUTES.replace("loopback", "never")) as gateway,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(f"{gateway.url}/v1/chat/completions", data=BODY) as response:
            assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_half_a_head_is_answered_408_and_closed(tmp_path: Path) -> None:
    routes = ROUTES.replace('listen: "127.0.0.1:0"', 'listen: "127.0.0.1:0", head_timeout_s: 0.2')
    async with inside(tmp_path, SANDBOX, routes) as gateway:
        status, error = await exchange(gateway, b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc")

    assert status == 408
    assert "head did not arrive within 0.2 s" in str(error["message"])


async def test_a_head_in_two_pieces_is_read(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, ROUTES) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        raw = post(HOST, LENGTH)
        writer.write(raw[:30])
        await asyncio.sleep(0.05)
        writer.write(raw[30:])
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_body_shorter_than_its_length_is_a_408_in_bounded_time(tmp_path: Path) -> None:
    routes = ROUTES.replace('listen: "127.0.0.1:0"', 'listen: "127.0.0.1:0", body_timeout_s: 0.2')
    async with inside(tmp_path, SANDBOX, routes) as gateway:
        status, error = await exchange(gateway, post(HOST, b"Content-Length: 500"))

    assert (status, error["code"]) == (408, "request_timeout")


async def test_a_request_that_has_been_here_before_is_a_508(gateway: Inside) -> None:
    via = b"Via: 1.1 %b" % gateway.services.instance.encode()
    status, error = await exchange(gateway, post(HOST, LENGTH, via))

    assert (status, error["code"]) == (508, "loop_detected")


async def test_the_body_is_asked_for_only_once_the_key_was_checked(tmp_path: Path) -> None:
    routes = ROUTES.replace("anonymous: loopback", "anonymous: never, static: [app:k-3f9a8b7c6d5e4f3a2b1c]")
    async with inside(tmp_path, SANDBOX, routes) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        for key, first_line in ((b"wrong", b"HTTP/1.1 401"), (b"k-3f9a8b7c6d5e4f3a2b1c", b"HTTP/1.1 100")):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(post(HOST, LENGTH, b"Expect: 100-continue", b"Authorization: Bearer " + key, body=b""))
            async with asyncio.timeout(2):
                assert (await reader.readline()).startswith(first_line)
            writer.close()

"""What broke elsewhere and does not here: one test for each promise that no single source file answers for.

The numbers are those of the list of pains; 25 is tests/test_reload.py, 26 is tests/config/.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web

from gateway.config.load import load
from gateway.errors import ConfigError
from tests.harness import ROUTES, SANDBOX, inside
from tests.test_openai_client import VENDOR, VENDOR_ROUTES
from tests.vendors.openai import API_KEY, OpenAIServer

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
SECRET = "k-3f9a8b7c6d5e4f3a2b1c"
WITH_KEY = ROUTES.replace("anonymous: loopback", f"anonymous: never, static: [app:{SECRET}]")

# Every name under which rivals let a request choose where it goes.
PLACES = (
    "api_base", "base_url", "api_url", "endpoint", "host", "url", "upstream", "proxy", "custom_host", "target",
    "azure_endpoint", "aws_endpoint", "openai_api_base", "litellm_params", "x-portkey-custom-host", "x-forwarded-host",
    "x-upstream", "x-target-url", "x-api-base", "helicone-target-url", "x-gateway-base-url", "forwarded",
    "x-original-url", "x-rewrite-url", "x-envoy-original-path", "callback_url", "webhook",
)  # fmt: skip


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that nobody may call: yields its URL and what it was sent."""
    calls: list[bytes] = []

    async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", calls


async def test_pain_33_no_field_header_or_query_of_a_request_chooses_the_upstream(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor, canary() as (trap, calls):
        providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY)
        async with inside(tmp_path, providers, VENDOR_ROUTES) as gateway, aiohttp.ClientSession() as http:
            url = gateway.url + "/v1/chat/completions"
            for place in PLACES:
                for body, headers, query in (
                    (CHAT | {place: trap, "metadata": {place: trap}}, {}, {}),
                    (CHAT, {place: trap}, {}),
                    (CHAT, {}, {place: trap}),
                ):
                    async with http.post(url, json=body, headers=headers, params=query) as response:
                        await response.read()
        assert calls == []
        assert len(vendor.requests) >= len(PLACES)
        assert all(API_KEY in str(record.headers) for record in vendor.requests)


async def test_pain_37_what_is_authorised_is_what_is_served_or_it_is_a_400(tmp_path: Path) -> None:
    """Random mutations of a path reach the guarded route with the key, or 4xx without it: never 200 without it."""
    rng = random.Random(37)
    pieces = [
        "/",
        "//",
        "/./",
        "/../",
        "%2f",
        "%2e",
        "%2e%2e/",
        "\\",
        "%5c",
        ";",
        "?",
        "#",
        "%00",
        "%25",
        ".",
        "v1",
        "V1",
    ]
    async with inside(tmp_path, SANDBOX, WITH_KEY) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        body = orjson.dumps(CHAT)
        for _ in range(400):
            path = "/v1/chat/completions"
            for _ in range(rng.randrange(1, 4)):
                at = rng.randrange(len(path) + 1)
                path = path[:at] + rng.choice(pieces) + path[at:]
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            async with asyncio.timeout(2):
                status = int((await reader.readline()).split()[1])
            writer.close()
            assert 400 <= status < 500, (path, status)
            assert status != 401 or path.partition("?")[0] == "/v1/chat/completions", (path, status)


async def test_pain_38_keys_are_told_apart_by_all_of_their_bytes(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, WITH_KEY) as gateway, aiohttp.ClientSession() as http:

        async def status(key: str) -> int:
            headers = {"authorization": f"Bearer {key}"}
            async with http.get(gateway.url + "/v1/models", headers=headers) as response:
                return response.status

        assert await status(SECRET) == 200
        digest = hashlib.sha256(SECRET.encode()).hexdigest()
        for other in (SECRET[:-1], SECRET + "x", SECRET[:20] + "x" * 10, SECRET.upper(), digest):
            assert await status(other) == 401, other


async def test_pain_39_every_route_asks_for_a_key(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, WITH_KEY) as gateway, aiohttp.ClientSession() as http:
        states: tuple[dict[str, str], ...] = (
            {},
            {"authorization": "Bearer wrong"},
            {"x-api-key": "wrong"},
            {"authorization": "Basic eA=="},
        )
        for route in gateway.gateway.snapshot.config.routes:
            path = route.path.replace("{model}", "chat")
            for headers in states:
                async with http.request(route.method, gateway.url + path, headers=headers) as response:
                    assert response.status == 401, (route.name, headers)


async def test_pain_41_the_text_of_a_request_is_never_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "the-secret-of-the-environment")
    text = "${CANARY} ${CANARY:-x} ${file:/etc/passwd} $CANARY {{7*7}} %(CANARY)s os.environ/CANARY"
    async with inside(tmp_path) as gateway, aiohttp.ClientSession() as http:
        body = {"model": "chat", "messages": [{"role": "user", "content": text}], "user": text}
        async with http.post(gateway.url + "/v1/chat/completions", json=body) as response:
            answer = await response.json()
    assert answer["choices"][0]["message"]["content"] == text


async def test_pain_44_a_stranger_is_refused_before_his_body_is_read(tmp_path: Path) -> None:
    async with inside(tmp_path, SANDBOX, WITH_KEY) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        for path in ("/v1/chat/completions", "/v1/audio/transcriptions"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\n".encode())
            async with asyncio.timeout(1):
                assert b" 401 " in await reader.readline()
            writer.close()


@pytest.mark.parametrize(
    "model", ["../../admin", "a?x=1", "a#b", "a/../b", "gpt-4o%2f..", "gpt-4o\r\nX: y", "", "a" * 300, "☃"]
)
async def test_pain_46_a_models_name_does_not_reach_into_the_upstreams_path(tmp_path: Path, model: str) -> None:
    async with OpenAIServer() as vendor:
        providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY)
        routes = VENDOR_ROUTES.replace("models:\n", 'models:\n  "*": {operation: chat, targets: ["vendor/*"]}\n', 1)
        async with (
            inside(tmp_path, providers, routes) as gateway,
            aiohttp.ClientSession() as http,
            http.post(gateway.url + "/v1/chat/completions", json=CHAT | {"model": model}) as response,
        ):
            assert 400 <= response.status < 500
        assert {record.target for record in vendor.requests} <= {"/v1/chat/completions"}


def test_pain_47_a_gateway_that_would_call_itself_is_refused_at_load(tmp_path: Path) -> None:
    providers = VENDOR.format(base_url="http://127.0.0.1:8001/v1", key=API_KEY)
    (tmp_path / "providers.yaml").write_text(providers)
    (tmp_path / "routes.yaml").write_text(VENDOR_ROUTES.replace("127.0.0.1:0", "127.0.0.1:8001"))
    with pytest.raises(ConfigError, match="would call itself"):
        load(tmp_path, {})


async def test_pain_47_a_loop_through_another_address_ends_at_its_first_return(tmp_path: Path) -> None:
    async with (
        relay() as passing,
        inside(tmp_path, VENDOR.format(base_url=passing.url + "/v1", key=API_KEY), VENDOR_ROUTES) as gateway,
        aiohttp.ClientSession() as http,
    ):
        passing.goal = gateway.url
        async with http.post(gateway.url + "/v1/chat/completions", json=CHAT) as response:
            assert response.status == 503
        assert passing.answers == [508]


@dataclass
class Relay:
    """A balancer: whatever comes is passed to `goal`."""

    url: str
    goal: str = ""
    answers: list[int] = field(default_factory=list)


@asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    async def passed(request: web.BaseRequest) -> web.StreamResponse:
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length")
        }
        body = await request.read()
        async with (
            aiohttp.ClientSession() as http,
            http.request(request.method, passing.goal + request.path_qs, headers=headers, data=body) as response,
        ):
            passing.answers.append(response.status)
            return web.Response(status=response.status, body=await response.read())

    runner = web.ServerRunner(web.Server(passed))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    passing = Relay(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield passing
    finally:
        await runner.cleanup()

"""What every answer carries, what is compressed, how streams break, and the endpoints that are always there."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from openai import AsyncOpenAI

from tests.harness import ROUTES, SANDBOX, Inside, inside
from tests.test_openai_client import VENDOR, VENDOR_ROUTES
from tests.vendors.faults import Fault, FaultKind
from tests.vendors.openai import API_KEY, OpenAIServer

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


BEFORE_CONTENT: tuple[FaultKind, ...] = (
    "cut_mid_stream",
    "cut_without_terminator",
    "malformed_event",
    "error_event_in_200",
    "status",
    "html",
    "refuse",
    "truncated_json",
    "redirect",
)


async def read(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return what came, and whether it ended cleanly."""
    seen = b""
    try:
        async for chunk in response.content.iter_any():
            seen += chunk
    except aiohttp.ClientPayloadError:
        return seen, False
    return seen, True


async def drained(client: AsyncOpenAI, body: dict[str, Any]) -> None:
    async for _ in await client.chat.completions.create(**body):
        pass


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def test_an_answer_says_what_made_it(gateway: Inside, http: aiohttp.ClientSession) -> None:
    async with http.post(gateway.url + "/v1/chat/completions", json=CHAT) as response:
        headers = response.headers
    assert headers["x-gateway-config"].startswith("1-")
    assert headers["x-gateway-route"] == "POST /v1/chat/completions"
    assert (headers["x-gateway-provider"], headers["x-gateway-model"]) == ("sandbox", "chat")
    assert headers["x-gateway-attempts"] == "1"
    assert headers["x-gateway-cost-usd"] == "0.000006000"  # 2 tokens in at 1 USD, 2 out at 2 USD a million


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/nobody", "/health/live", "/nothing", "/v1//models"])
async def test_every_answer_says_how_long_it_took(gateway: Inside, http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(gateway.url + path) as response:
        assert float(response.headers["x-gateway-overhead-ms"]) >= 0
        assert response.headers["server-timing"].startswith("gateway;dur=")
        assert response.headers["x-gateway-config"].startswith("1-")


async def test_a_misspelt_name_that_a_pattern_lets_pass_is_told_the_nearest(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY)
        routes = VENDOR_ROUTES.replace("models:\n", 'models:\n  "gpt-*": {operation: chat, targets: [vendor/*]}\n', 1)
        async with inside(tmp_path, providers, routes) as gateway:
            async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key="any", max_retries=0) as client:
                with pytest.raises(openai.NotFoundError, match=r"did you mean gpt-4o-mini"):
                    await client.chat.completions.create(
                        model="gpt-4o-mni", messages=[{"role": "user", "content": "x"}]
                    )


async def test_a_request_id_is_kept_where_it_is_plain_and_made_where_not(
    gateway: Inside, http: aiohttp.ClientSession
) -> None:
    for given, is_kept in (("trace-12345678", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("", False)):
        async with http.get(gateway.url + "/health/live", headers={"x-request-id": given}) as response:
            assert (response.headers["x-request-id"] == given) == is_kept
            assert response.headers["x-request-id"]


async def test_the_ids_that_are_made_grow_with_time_and_differ_within_a_moment(
    gateway: Inside, http: aiohttp.ClientSession
) -> None:
    """The ledger's index of them grows at its end then."""

    async def made() -> str:
        async with http.get(gateway.url + "/health/live") as response:
            return response.headers["x-request-id"]

    before_ms = int(time.time() * 1000)
    ids = []
    for _ in range(3):
        ids.append(await made())
        await asyncio.sleep(0.002)
    assert ids == sorted(ids)
    assert all(re.fullmatch("[0-9a-f]{24}", each) for each in ids)
    assert before_ms <= int(ids[0][:12], 16) <= int(ids[-1][:12], 16) <= time.time() * 1000
    assert len(set(await asyncio.gather(*(made() for _ in range(50))))) == 50


@pytest.mark.parametrize(
    ("chars", "accepts", "is_packed"),
    [
        (3000, "gzip", True),
        (3000, "br, gzip;q=0.5", True),
        (3000, "GZIP", True),
        (10, "gzip", False),
        (3000, "br", False),
        (3000, "gzip;q=0, identity", False),
        (3000, "gzip; q=0.000", False),
    ],
)
async def test_large_json_is_compressed_for_who_takes_it(
    gateway: Inside, http: aiohttp.ClientSession, chars: int, accepts: str, is_packed: bool
) -> None:
    body = {"model": "chat", "messages": [{"role": "user", "content": "x" * chars}]}
    headers = {"accept-encoding": accepts}
    async with http.post(gateway.url + "/v1/chat/completions", json=body, headers=headers) as response:
        data = await response.read()
    assert (response.headers.get("content-encoding") == "gzip") == is_packed
    answer = orjson.loads(gzip.decompress(data) if is_packed else data)
    assert answer["choices"][0]["message"]["content"] == "x" * chars


@pytest.mark.parametrize("fault", ["cut_mid_stream", "cut_without_terminator", "malformed_event", "error_event_in_200"])
async def test_a_stream_that_breaks_says_so_and_does_not_end_cleanly(tmp_path: Path, fault: FaultKind) -> None:
    async with OpenAIServer() as vendor:
        vendor.faults.add(Fault(fault, after_events=4, times=None))
        async with inside(tmp_path, VENDOR.format(base_url=vendor.base_url, key=API_KEY), VENDOR_ROUTES) as gateway:
            body = CHAT | {
                "stream": True,
                "messages": [{"role": "user", "content": "one two three four five six seven"}],
            }
            async with (
                aiohttp.ClientSession() as http,
                http.post(gateway.url + "/v1/chat/completions", json=body) as response,
            ):
                assert response.status == 200
                seen, is_whole = await read(response)
            assert not is_whole
            assert b"data: [DONE]" not in seen
            assert orjson.loads(seen.split(b"\n\n")[-2].removeprefix(b"data: "))["error"]["message"]

            async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key="x", max_retries=0) as client:
                with pytest.raises(openai.APIError):
                    await drained(client, body)


@pytest.mark.parametrize("fault", BEFORE_CONTENT)
async def test_what_breaks_before_the_first_content_is_served_by_the_next_target(
    tmp_path: Path, fault: FaultKind
) -> None:
    is_stream = fault != "truncated_json"
    async with OpenAIServer() as vendor:
        vendor.faults.add(Fault(fault, after_events=1, times=None))
        providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY) + SANDBOX.split("providers:\n")[1]
        routes = VENDOR_ROUTES.replace("[vendor/gpt-4o-mini]", "[vendor/gpt-4o-mini, sandbox/chat]")
        async with (
            inside(tmp_path, providers, routes) as gateway,
            aiohttp.ClientSession() as http,
            http.post(gateway.url + "/v1/chat/completions", json=CHAT | {"stream": is_stream}) as response,
        ):
            body = await response.read()
    assert response.status == 200
    assert response.headers["x-gateway-provider"] == "sandbox"
    assert b"hell" in body


async def test_an_audio_stream_that_breaks_is_cut_without_words(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        vendor.faults.add(Fault("cut_mid_stream", after_events=2, times=None))
        async with (
            inside(tmp_path, VENDOR.format(base_url=vendor.base_url, key=API_KEY), VENDOR_ROUTES) as gateway,
            aiohttp.ClientSession() as http,
            http.post(
                gateway.url + "/v1/audio/speech",
                json={"voice": "nova", "input": "a b c " * 50, "response_format": "pcm"},
            ) as response,
        ):
            seen, is_whole = await read(response)
    assert seen
    assert not is_whole
    assert b"error" not in seen


async def test_the_builtin_endpoints_answer_without_a_key_and_without_quota(tmp_path: Path) -> None:
    routes = ROUTES.replace("anonymous: loopback", "anonymous: never, static: [app:k-3f9a8b7c6d5e4f3a2b1c]")
    async with inside(tmp_path, SANDBOX, routes) as gateway, aiohttp.ClientSession() as http:
        for path in ("/", "/health", "/health/", "/health/detailed", "/health/live", "/health/ready"):
            async with http.get(gateway.url + path) as response:
                assert response.status == 200, path
                assert (await response.json())["status"] == "ok"
            async with http.post(gateway.url + path) as response:
                assert response.status == 405
        async with http.get(gateway.url + "/") as response:
            assert {"service", "version", "status", "time"} <= (await response.json()).keys()
        async with http.get(gateway.url + "/health/") as response:
            health = await response.json()
            assert health["providers"]["sandbox"] == {"status": "on"}
            assert health["operations"]["speech"] == ["sandbox"]
        async with http.get(gateway.url + "/v1/models") as response:
            assert response.status == 401


async def test_metrics_count_what_happened_and_can_be_off(tmp_path: Path) -> None:
    async with inside(tmp_path) as gateway, aiohttp.ClientSession() as http:
        async with http.post(gateway.url + "/v1/chat/completions", json=CHAT) as response:
            await response.read()
        async with http.get(gateway.url + "/metrics") as response:
            text = await response.text()
        assert 'gateway_requests_total{route="POST /v1/chat/completions",status="200"} 1.0' in text
        assert 'gateway_attempts_total{outcome="ok",target="sandbox/chat"} 1.0' in text
        assert 'gateway_cost_usd_total{target="sandbox/chat"} 6e-06' in text
        assert "gateway_config_generation 1.0" in text

    routes = ROUTES.replace('listen: "127.0.0.1:0"', 'listen: "127.0.0.1:0", metrics: false')
    async with (
        inside(tmp_path, SANDBOX, routes) as gateway,
        aiohttp.ClientSession() as http,
        http.get(gateway.url + "/metrics") as response,
    ):
        assert response.status == 404


async def test_head_answers_as_get_without_a_body(gateway: Inside, http: aiohttp.ClientSession) -> None:
    async with http.head(gateway.url + "/v1/models") as response:
        assert response.status == 200
        assert int(response.headers["content-length"]) > 0

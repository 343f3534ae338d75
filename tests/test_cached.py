"""What is asked again is answered again: over real sockets, by a process of its own, for all four operations."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from tests.cached_house import ADMIN_KEY, EMBED, HEARD, ROUTES, CachedHouse, Got, cached_house, cached_process, form
from tests.harness import ROOT, Process
from tests.redis_server import redis_server
from tests.stores.entries import rows
from tests.vendors.faults import Fault, FaultKind
from tests.vendors.openai.server import OpenAIServer

DISK = "cache: {disk: {folder: cache}}\n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[CachedHouse]:
    async with cached_house(tmp_path, ROUTES + DISK) as opened:
        yield opened


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await is_so():
            await asyncio.sleep(0.02)


async def each_operation(house: CachedHouse) -> list[Got]:
    return [
        await house.chat(),
        await house.chat("as a stream", stream=True),
        await house.post(EMBED, {"model": "embed", "input": "hello"}),
        await house.speech(),
        await house.post(HEARD, form()),
    ]


async def test_every_operation_is_answered_once_by_the_vendor_and_then_from_the_cache(tmp_path: Path) -> None:
    async with cached_house(tmp_path, ROUTES + DISK) as house:
        first, again = await each_operation(house), await each_operation(house)
        assert house.vendor.request_count == 5
    assert [(got.status, got.cache) for got in first] == [(200, "miss")] * 5
    assert [(got.status, got.cache) for got in again] == [(200, "hit")] * 5
    assert [got.body for got in again] == [got.body for got in first]
    for before, after in zip(first, again, strict=True):
        assert after.headers["x-gateway-cost-usd"] == "0.000000000"
        assert after.headers["x-gateway-attempts"] == "0"
        assert after.headers["x-gateway-cache-key"] == before.headers["x-gateway-cache-key"]
        assert 0 <= int(after.headers["age"]) < 100
        assert after.headers["content-type"] == before.headers["content-type"]
        assert "transfer-encoding" not in after.headers  # also of a stream: all of it is there
    assert len({got.headers["x-gateway-cache-key"] for got in first}) == 5
    kept = rows(f"sqlite:{tmp_path / 'gateway.db'}", "outcome, cache, cost_nano_usd > 0")
    assert kept == [("ok", "miss", 1)] * 5 + [("cached", "hit", 0)] * 5


async def test_one_answer_serves_who_wants_a_stream_and_who_wants_it_whole(house: CachedHouse) -> None:
    stream = await house.chat(stream=True)
    assert stream.body.endswith(b"data: [DONE]\n\n")
    whole = await house.chat()
    assert whole.cache == "hit"
    assert whole.headers["content-type"].startswith("application/json")
    assert (await house.chat("other")).cache == "miss"
    replayed = await house.chat("other", stream=True)
    assert replayed.cache == "hit"
    assert replayed.body.startswith(b"data: {")
    assert replayed.body.endswith(b"data: [DONE]\n\n")
    assert house.vendor.request_count == 2


@pytest.mark.parametrize("kind", ["cut_mid_stream", "cut_without_terminator", "error_event_in_200", "malformed_event"])
async def test_a_stream_that_failed_is_not_kept(house: CachedHouse, kind: FaultKind) -> None:
    house.vendor.faults.add(Fault(kind, after_events=None if kind == "cut_without_terminator" else 4))
    with suppress(aiohttp.ClientPayloadError):
        await house.chat(stream=True)
    assert (await house.chat(stream=True)).cache == "miss"
    assert (await house.chat(stream=True)).cache == "hit"
    assert house.vendor.request_count == 2


async def test_a_client_decides_for_its_own_request(house: CachedHouse) -> None:
    await house.chat()
    assert (await house.chat(cache_control="no-store")).cache == "bypass"
    assert (await house.chat(cache_control="no-cache")).cache == "bypass"
    assert (await house.chat(cache_control="max-age=100")).cache == "hit"
    assert (await house.chat("other", x_gateway_cache_ttl="0")).cache == "miss"
    assert (await house.chat("other")).cache == "miss"
    refused = await house.chat(x_gateway_cache_ttl="soon")
    assert refused.status == 400
    assert b"x-gateway-cache-ttl must be a number of seconds" in refused.body


async def test_audio_has_a_validator_and_parts(house: CachedHouse) -> None:
    first = await house.speech()
    assert "etag" not in first.headers  # it was streamed as it came
    again = await house.speech()
    etag = again.headers["etag"]
    assert (again.status, again.body, again.headers["accept-ranges"]) == (200, first.body, "bytes")
    assert again.headers["content-length"] == str(len(first.body))
    part = await house.speech(range="bytes=10-19")
    assert (part.status, part.body) == (206, first.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(first.body)}"
    known = await house.speech(if_none_match=etag)
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", etag)
    beyond = await house.speech(range=f"bytes={len(first.body)}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(first.body)}")
    assert house.vendor.request_count == 1


async def test_audio_on_disk_outlives_a_process_that_was_killed(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        async with cached_process(tmp_path, vendor, ROUTES + DISK) as house:
            first = await house.speech()

            async def is_written() -> bool:
                return any((tmp_path / "cache").glob("*[0-9a-f]"))

            await until(is_written)
            assert isinstance(house.gateway, Process)
            house.gateway.process.kill()
            await house.gateway.process.wait()
        async with cached_process(tmp_path, vendor, ROUTES + DISK) as house:
            again = await house.speech()
        assert (again.cache, again.body) == ("hit", first.body)
        assert vendor.request_count == 1


STALE = ROUTES.replace("cache: {ttl_s: 300}", "cache: {ttl_s: 0.2, stale_if_error_s: 100}")


async def test_an_outage_of_the_vendor_is_bridged_by_what_is_kept(tmp_path: Path) -> None:
    async with cached_house(tmp_path, STALE) as house:
        first = await house.chat()
        await house.vendor.stop_listening()
        await asyncio.sleep(0.25)
        stale = await house.chat()
        assert (stale.status, stale.cache, stale.body) == (200, "stale", first.body)
        assert (await house.chat("never asked")).status >= 500
    kept = rows(f"sqlite:{tmp_path / 'gateway.db'}", "status, cache, cost_nano_usd > 0")
    assert kept[:2] == [(200, "miss", 1), (200, "stale", 0)]


async def test_what_is_stale_is_given_at_once_and_asked_for_anew_beside(tmp_path: Path) -> None:
    routes = ROUTES.replace("cache: {ttl_s: 300}", "cache: {ttl_s: 0.2, stale_while_revalidate_s: 100}")
    async with cached_house(tmp_path, routes, OpenAIServer()) as house:
        await house.chat()
        await asyncio.sleep(0.25)
        house.vendor.faults.add(Fault("slow_headers", delay_s=1.0))
        assert (await house.chat()).cache == "stale"
        _, refresh = await house.vendor.wait_for_requests(2)
        assert refresh.outcome == "pending"  # the client did not wait for it
    kept = rows(f"sqlite:{tmp_path / 'gateway.db'}", "cache, outcome, cost_nano_usd > 0")
    assert sorted(kept) == [("miss", "ok", 1), ("refresh", "ok", 1), ("stale", "cached", 0)]


async def test_a_stream_may_come_again_at_its_own_pace(tmp_path: Path) -> None:
    routes = ROUTES.replace("cache: {ttl_s: 300}", "cache: {ttl_s: 300, pace: original}")
    async with cached_house(tmp_path, routes, OpenAIServer(event_interval_s=0.03)) as house:
        first = await house.chat("one two three", stream=True)
        began = time.monotonic()
        again = await house.chat("one two three", stream=True)
        assert time.monotonic() - began >= 0.06  # two pauses at least
        assert (again.cache, again.body) == ("hit", first.body)
        assert "content-length" not in again.headers


def gateway(*arguments: str, key: str = ADMIN_KEY) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "GATEWAY_ADMIN_KEY": key, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "gateway", "cache", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=ROOT, check=False)


async def test_the_command_purges_a_running_gateway(house: CachedHouse) -> None:
    got, _ = await house.chat(), await house.chat("other")
    at = ("--url", house.gateway.url)
    shown = await asyncio.to_thread(gateway, "show", *at)
    assert "memory: 2 answers" in shown.stdout, shown.stderr
    key = got.headers["x-gateway-cache-key"]
    purged = await asyncio.to_thread(gateway, "purge", "--key", key, *at)
    assert (purged.returncode, purged.stdout) == (0, f"{house.gateway.url}: purged 1 in memory, 0 in disk\n")
    assert [(await house.chat()).cache, (await house.chat("other")).cache] == ["miss", "hit"]
    whole = await asyncio.to_thread(gateway, "purge", "--all", "--json", *at)
    told = {"gateway": house.gateway.url, "memory": 2, "disk": 0, "redis": None}
    assert json.loads(whole.stdout) == {"gateways": [told]}


@pytest.mark.parametrize(
    ("arguments", "key", "status", "said"),
    [
        (("purge",), ADMIN_KEY, 64, "say which answers"),
        (("purge", "--all", "--tenant", "a"), ADMIN_KEY, 64, "say which answers"),
        (("purge", "--all", "--url", "http://127.0.0.1:1"), "", 64, "GATEWAY_ADMIN_KEY"),
        (("purge", "--all", "--url", "ftp://a"), ADMIN_KEY, 64, "is no address"),
        (("purge", "--all", "--url", "http://127.0.0.1:1"), ADMIN_KEY, 69, "does not answer"),
        (("purge", "--all", "--pid", "1"), "", 69, "no gateway with process id 1"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], key: str, status: int, said: str) -> None:
    result = gateway(*arguments, key=key)
    assert result.returncode == status
    assert said in result.stderr


async def test_the_command_says_what_the_gateway_refuses(house: CachedHouse) -> None:
    wrong = await asyncio.to_thread(gateway, "purge", "--all", "--url", house.gateway.url, key="gw_wrong")
    assert wrong.returncode == 77
    assert "the API key is cut or mistyped" in wrong.stderr


async def test_two_processes_share_answers_and_purges_through_redis(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("1", "2", "redis")]
    for folder in folders:
        folder.mkdir()
    async with redis_server(folders[2]) as redis, OpenAIServer() as vendor:
        routes = ROUTES.replace("stores: {", f"stores: {{redis_url: '{redis.url}', ") + "cache: {redis: true}\n"
        async with (
            cached_process(folders[0], vendor, routes) as first,
            cached_process(folders[1], vendor, routes) as second,
        ):
            for each in (first, second):
                assert isinstance(each.gateway, Process)
                await each.gateway.wait_for_log(lambda line: "answers are shared" in str(line["message"]))
            await first.chat()

            async def is_in_redis() -> bool:
                async with Redis(port=redis.port) as client:
                    return bool(await client.keys("gateway:answer:*"))

            await until(is_in_redis)
            assert (await second.chat()).cache == "hit"
            assert vendor.request_count == 1
            purged = await asyncio.to_thread(gateway, "purge", "--all", "--url", first.gateway.url)
            assert "1 in redis" in purged.stdout
            assert not await is_in_redis()

            async def is_forgotten() -> bool:
                held = await asyncio.to_thread(gateway, "show", "--json", "--url", second.gateway.url)
                return bool(json.loads(held.stdout)["gateways"][0]["memory"]["entries"] == 0)

            await until(is_forgotten)
            assert (await second.chat()).cache == "miss"

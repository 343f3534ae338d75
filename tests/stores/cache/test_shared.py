"""Answers in Redis: shared, bounded in time, gone everywhere when purged; and a Redis that is away is a miss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.stores.cache import Purge
from gateway.stores.cache.shared import MAX_WRITING, SharedStore
from tests.redis_server import RedisServer, redis_server
from tests.stores.cache.kept import entry, key, text_of


class Process:
    """One process's store, and the purges that it was told of."""

    def __init__(self) -> None:
        self.heard: list[tuple[Purge, float]] = []
        self.store = SharedStore(time.time, self._hear)

    async def _hear(self, what: Purge, before: float) -> None:
        self.heard.append((what, before))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Process]:
    process = Process()
    await process.store.use(url)
    try:
        await until(lambda: process.store.is_here)
        yield process
    finally:
        await process.store.aclose()


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as server:
        yield server


def fresh(text: str, ttl_s: float = 60.0):  # type: ignore[no-untyped-def]
    return entry(text=text, ttl_s=ttl_s, now=time.time())


async def test_what_one_process_keeps_another_finds_and_it_ends_in_time(redis: RedisServer) -> None:
    async with running(redis.url) as one, running(redis.url) as two:
        assert await two.store.get(key()) is None
        assert await one.store.put(key(), fresh("a"))
        assert await one.store.put(key().of("second/model"), fresh("fallback", 0.2))
        assert text_of(await two.store.get(key())) == "a"
        async with Redis(port=redis.port) as client:
            names = await client.keys("gateway:answer:*")
            assert sorted([0 < await client.pttl(name) <= 60_000 for name in names]) == [True, True]
        await asyncio.sleep(0.25)
        assert await two.store.get(key().of("second/model")) is None


async def test_another_tenant_has_another_place(redis: RedisServer) -> None:
    async with running(redis.url) as one:
        await one.store.put(key("a", "tenant-1"), fresh("a"))
        assert await one.store.get(key("a", "tenant-2")) is None


@pytest.mark.parametrize("data", [b"", b"AGC1 damaged", b"{}"])
async def test_what_cannot_be_read_is_a_miss(redis: RedisServer, data: bytes) -> None:
    async with running(redis.url) as one, Redis(port=redis.port) as client:
        await one.store.put(key(), fresh("a"))
        (name,) = await client.keys("gateway:answer:*")
        await client.set(name, data)
        assert await one.store.get(key()) is None
        assert one.store.is_here


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (Purge(), []),
        (Purge(digest=key("a").digest), ["b"]),
        (Purge(tenant="tenant-2"), ["a", "fallback"]),
        (Purge(route="POST /v1/audio/speech"), ["a", "fallback"]),
        (Purge(digest="*"), ["a", "b", "fallback"]),  # it is a name, and none of a pattern
        (Purge(tenant="tenant-1", route="POST /v1/audio/speech"), ["a", "b", "fallback"]),
    ],
)
async def test_what_is_purged_is_gone_and_every_process_is_told(
    redis: RedisServer, what: Purge, left: list[str]
) -> None:
    keys = {
        "a": key("a"),
        "b": key("b", "tenant-2", "POST /v1/audio/speech"),
        "fallback": key("a").of("second/model"),
    }
    async with running(redis.url) as one, running(redis.url) as two:
        for name, each in keys.items():
            await one.store.put(each, fresh(name))
        before = time.time()
        assert await one.store.purge(what) == 3 - len(left)
        found = [text_of(await two.store.get(each)) for each in keys.values()]
        assert sorted(text for text in found if text) == left
        await until(lambda: bool(two.heard))
        ((told, at),) = two.heard
        assert told == what
        assert before <= at <= time.time()


async def test_who_was_away_is_told_when_he_is_back(redis: RedisServer) -> None:
    async with running(redis.url) as one:
        await one.store.purge(Purge(tenant="tenant-1"))
    async with running(redis.url) as late:
        await until(lambda: bool(late.heard))
        assert late.heard[0][0] == Purge(tenant="tenant-1")


async def test_a_redis_that_hangs_costs_a_request_a_moment_and_then_nothing_until_it_is_back(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(redis.url) as one:
        await one.store.put(key(), fresh("a"))
        redis.pause()
        began = time.monotonic()
        assert await one.store.get(key()) is None
        assert not one.store.is_here
        assert [await one.store.get(key()) for _ in range(1000)] == [None] * 1000
        assert time.monotonic() - began < 2  # 50 ms; a thousand waits would be 50 s
        assert await one.store.purge(Purge()) is None
        assert not await one.store.put(key(), fresh("b"))
        assert caplog.text.count("redis is away") == 1
        redis.resume()
        await until(lambda: one.store.is_here)
        assert text_of(await one.store.get(key())) == "a"


async def test_a_redis_that_comes_up_later_is_used_then(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        await server.stop()
        process = Process()
        await process.store.use(server.url)
        await until(lambda: process.store.failures > 0)
        assert not await process.store.put(key(), fresh("a"))
        await server.start()
        await until(lambda: process.store.is_here)
        assert await process.store.put(key(), fresh("a"))
        await process.store.use("")  # a reload
        assert not process.store.is_here
        assert await process.store.get(key()) is None
        await process.store.aclose()


async def test_too_many_at_once_are_not_kept(redis: RedisServer) -> None:
    async with running(redis.url) as one:
        kept = await asyncio.gather(*(one.store.put(key(str(n)), fresh("a")) for n in range(MAX_WRITING + 5)))
        assert kept[MAX_WRITING:] == [False] * 5
        assert any(kept)


async def test_a_last_beat_as_it_ends_does_not_bring_it_back() -> None:
    """redis-py takes a cancellation for a timeout of its own, so that a beat may end well after it was told to stop."""
    process = Process()

    async def beat() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            process.store.is_here = True

    process.store._url, process.store._task = "redis://127.0.0.1:1/0", asyncio.create_task(beat())
    await asyncio.sleep(0)
    await process.store.use("")
    assert not process.store.is_here

"""The stores together: large answers on disk, all in Redis where it is shared, and a purge in each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gateway.config.model import CacheStores
from gateway.stores.cache import CacheStore, Purge
from tests.given import Clock
from tests.redis_server import redis_server
from tests.stores.cache.kept import entry, key
from tests.stores.cache.test_shared import until


@asynccontextmanager
async def using(stores: CacheStores, clock: Clock | None = None) -> AsyncIterator[CacheStore]:
    store = CacheStore(clock or time.time)
    store.use(stores)
    await store.ready()
    if stores.redis_url:
        await until(lambda: store.shared.is_here)
    try:
        yield store
    finally:
        await store.aclose()


async def where(store: CacheStore, name: str) -> str | None:
    found = await store.find(key(name))
    return found.store if found is not None else None


def now(text: str, *, is_large: bool = False):  # type: ignore[no-untyped-def]
    return entry(text=text, now=time.time(), is_large=is_large)


async def test_what_is_large_is_on_disk_and_the_rest_in_memory(tmp_path: Path) -> None:
    async with using(CacheStores(disk_folder=tmp_path / "cache")) as store:
        store.put(key("small"), now("small"))
        store.put(key("large"), now("large", is_large=True))
        await store.settle()
        assert [await where(store, name) for name in ("small", "large")] == ["memory", "disk"]
        assert len(store.memory) == len(store.disk) == 1


async def test_without_a_disk_what_is_large_is_in_memory() -> None:
    async with using(CacheStores()) as store:
        store.put(key("large"), now("large", is_large=True))
        assert await where(store, "large") == "memory"


async def test_what_is_being_written_when_the_process_ends_is_there_after_it(tmp_path: Path) -> None:
    stores = CacheStores(disk_folder=tmp_path)
    async with using(stores) as store:
        store.put(key("large"), now("large", is_large=True))
    async with using(stores) as store:
        assert await where(store, "large") == "disk"


async def test_a_reload_to_another_folder_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    first, second = CacheStores(disk_folder=tmp_path / "1"), CacheStores(disk_folder=tmp_path / "2")
    async with using(first) as store:
        store.put(key("a"), now("a", is_large=True))
        await store.settle()
        for stores, expected in [(second, None), (CacheStores(), None), (first, "disk")]:
            store.use(stores)
            await store.ready()
            assert await where(store, "a") == expected


async def test_what_another_process_keeps_is_found_in_redis_and_then_nearer(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        stores = CacheStores(redis_url=redis.url)
        async with using(stores) as one, using(stores) as two:
            one.put(key("a"), now("a"))
            await one.settle()
            assert [await where(two, "a") for _ in range(2)] == ["redis", "memory"]


async def test_what_another_process_asked_for_anew_takes_the_place_of_what_is_stale_here(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        stores = CacheStores(redis_url=redis.url)
        async with using(stores) as one, using(stores) as two:
            started = time.time()
            stale = replace(entry(text="old", now=started - 50, ttl_s=200), fresh_until=started - 1)
            two.put(key("a"), stale)
            await two.settle()
            found = await two.find(key("a"))
            assert found is not None
            assert (found.entry, found.store) == (stale, "memory")  # there is no newer one
            one.put(key("a"), now("new"))
            await one.settle()
            assert [await where(two, "a") for _ in range(2)] == ["redis", "memory"]


async def test_a_purge_is_everywhere_at_once_here_and_soon_elsewhere(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        with_disk = CacheStores(redis_url=redis.url, disk_folder=tmp_path / "cache")
        async with using(with_disk) as one, using(CacheStores(redis_url=redis.url)) as two:
            for name in ("a", "b"):
                one.put(key(name), now(name))
            one.put(key("large"), now("large", is_large=True))
            await one.settle()
            assert [await where(two, name) for name in ("a", "b", "large")] == ["redis"] * 3
            assert await one.purge(Purge(tenant="nobody")) == {"memory": 0, "disk": 0, "redis": 0}
            assert await one.purge(Purge(tenant="tenant-1")) == {"memory": 2, "disk": 1, "redis": 3}
            assert [await where(one, name) for name in ("a", "b", "large")] == [None] * 3
            await until(lambda: len(two.memory) == 0)
            assert [await where(two, name) for name in ("a", "b", "large")] == [None] * 3
            one.put(key("a"), now("newer"))
            assert await where(one, "a") == "memory"


async def test_a_purge_says_that_redis_is_away(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, using(CacheStores(redis_url=redis.url)) as store:
        redis.pause()
        try:
            store.put(key("a"), now("a"))
            assert await store.purge(Purge()) == {"memory": 1, "redis": None}
        finally:
            redis.resume()


async def test_one_refresh_runs_for_a_key_at_a_time() -> None:
    store = CacheStore(Clock())
    go = asyncio.Event()
    begun: list[str] = []

    async def work() -> None:
        begun.append("work")
        await go.wait()

    assert [store.refresh(key(name), work) for name in "aab"] == [True, False, True]
    await asyncio.sleep(0)
    assert len(begun) == 2
    go.set()
    await store.settle()
    assert store.refresh(key("a"), work)
    await store.aclose()

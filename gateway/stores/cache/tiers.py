"""The stores together: looked through from the nearest to the farthest, written to as an answer's size suggests."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from gateway.config.model import CacheStores
from gateway.stores.cache.disk import DiskStore
from gateway.stores.cache.entry import Entry, Key, Purge
from gateway.stores.cache.memory import MemoryStore
from gateway.stores.cache.shared import SharedStore

FINISH_S = 5.0  # at the end of a process, for what is being written


@dataclass(frozen=True, slots=True)
class Found:
    entry: Entry
    store: str  # memory disk redis


class CacheStore:
    """`now` gives seconds of the epoch. What is written, and refreshed, beside the requests belongs to it."""

    def __init__(self, now: Callable[[], float], max_bytes: int = 0) -> None:
        self.now = now
        self.memory = MemoryStore(max_bytes, now)
        self.disk = DiskStore(now)
        self.shared = SharedStore(now, self._purge_here)
        self.hits: Counter[str] = Counter()  # by store
        self._tasks: set[asyncio.Task[Any]] = set()
        self._refreshing: set[str] = set()
        self._opening: asyncio.Task[None] | None = None

    def use(self, stores: CacheStores) -> None:
        """Keep answers there from now on. What is opened is opened beside the requests."""
        self.memory.max_bytes = stores.max_bytes
        before, self._opening = self._opening, None
        if before is None and not stores.disk_folder and not stores.redis_url:
            return
        self._opening = asyncio.ensure_future(self._open(stores, before))

    async def ready(self) -> None:
        """Wait until what `use` named is open, or known not to be had."""
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)

    async def _open(self, stores: CacheStores, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        if stores.disk_folder is not None:
            await self.disk.open(stores.disk_folder, stores.disk_max_bytes)
        else:
            await self.disk.close()
        await self.shared.use(stores.redis_url)

    async def find(self, key: Key) -> Found | None:
        """Return what is kept, be it stale; of what another process has asked for anew since, the newer."""
        entry = self.memory.get(key)
        near = Found(entry, "memory") if entry is not None else None
        if near is None and self.disk.is_open:
            entry = await self.disk.get(key)
            near = Found(entry, "disk") if entry is not None else None
        if not self.shared.is_here or (near is not None and self.now() < near.entry.fresh_until):
            return near
        entry = await self.shared.get(key)
        if entry is None or (near is not None and entry.stored_at <= near.entry.stored_at):
            return near
        if not (entry.is_large and self.disk.is_open):
            self.memory.put(key, entry)
        return Found(entry, "redis")

    def put(self, key: Key, entry: Entry) -> None:
        """Keep an entry: on disk where it is large and there is one, else in memory; and where processes share them."""
        if entry.is_large and self.disk.is_open:
            self.spawn(self.disk.put(key, entry))
        else:
            self.memory.put(key, entry)
        if self.shared.is_here:
            self.spawn(self.shared.put(key, entry))

    async def purge(self, what: Purge) -> dict[str, int | None]:
        """Drop what agrees, everywhere; return how many entries that were, by store. None: a Redis that is away."""
        gone: dict[str, int | None] = {"memory": self.memory.purge(what)}
        if self.disk.is_open:
            gone["disk"] = await self.disk.purge(what)
        if self.shared.is_wanted:
            gone["redis"] = await self.shared.purge(what)
        return gone

    async def _purge_here(self, what: Purge, before: float) -> None:
        self.memory.purge(what, before)
        if self.disk.is_open:
            await self.disk.purge(what, before)

    # ------------------------------------------------------------ beside the requests

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refresh(self, key: Key, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Run `work` beside the requests, unless it runs for this key already; return whether it was begun."""
        if key.id in self._refreshing:
            return False
        self._refreshing.add(key.id)

        async def once() -> None:
            try:
                await work()
            finally:
                self._refreshing.discard(key.id)

        self.spawn(once())
        return True

    async def settle(self) -> None:
        """Wait for all that goes on beside the requests."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def aclose(self) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=FINISH_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.ready()
        await self.disk.close()
        await self.shared.aclose()

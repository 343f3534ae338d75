"""Answers in the Redis that processes share. One that is away is a miss, soon, and the log says so once.

What is purged is told to all processes by a stream there, which each reads at its beat: what they keep in their own
memory and on their own disks goes too, within about a second.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from gateway import json
from gateway.stores.cache.codec import Unreadable, pack, unpack
from gateway.stores.cache.entry import Entry, Key, Purge
from gateway.stores.ending import end

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOGGER = logging.getLogger("gateway")

BUDGET_S = 0.05  # what a request may wait for Redis, connection included
BEAT_S = 0.5
MAX_CONNECTIONS = 20
MAX_WRITING = 64  # entries on their way: beyond it an answer is not kept
WRITE_S = 1.0  # nobody waits for it
PREFIX = "gateway:answer"
PURGED = "gateway:purged"
MAX_PURGES = 1000  # that a process which was away can make up for
SCAN_COUNT = 500
_LITERAL = re.compile(r"[0-9a-f]+")

Purged = Callable[[Purge, float], Awaitable[None]]


class SharedStore:
    """Keeps in the Redis that `use` names. `on_purged` is told what any process has purged, and when."""

    def __init__(self, now: Callable[[], float], on_purged: Purged) -> None:
        self._now = now
        self._on_purged = on_purged
        self._url = ""
        self._redis: Redis | None = None
        self._task: asyncio.Task[None] | None = None
        self._last = "0-0"  # of the purges that were heard of
        self._writing = 0
        self._is_told = False
        self.is_here = False
        self.failures = 0

    @property
    def is_wanted(self) -> bool:
        return bool(self._url)

    async def use(self, url: str) -> None:
        """Keep answers at `url` from now on, "" for nowhere. Does not wait for it."""
        if url == self._url:
            return
        await self.aclose()
        self._url, self._is_told, self._last = url, False, "0-0"
        if url:
            self._task = asyncio.create_task(self._keep_up(), name="shared answers")

    async def aclose(self) -> None:
        self._url, self.is_here = "", False
        task, self._task = self._task, None
        if task is not None:
            await end(task)
            self.is_here = False  # it may have heard from it once more
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose(close_connection_pool=True)

    async def get(self, key: Key) -> Entry | None:
        redis = self._redis
        if redis is None or not self.is_here:
            return None
        try:
            async with asyncio.timeout(BUDGET_S):
                data: Any = await redis.get(_name(key))
        except _failures() as error:
            self._lost(error)
            return None
        if data is None:
            return None
        try:
            entry = unpack(data)
        except Unreadable as error:
            LOGGER.warning("an answer in redis cannot be read (%s): it counts as none", error)
            return None
        return entry if entry.kept_until > self._now() else None

    async def put(self, key: Key, entry: Entry) -> bool:
        redis, left_s = self._redis, entry.kept_until - self._now()
        if redis is None or not self.is_here or self._writing >= MAX_WRITING or left_s <= 0:
            return False
        self._writing += 1
        try:
            data = await asyncio.to_thread(pack, entry)
            if data is None:
                return False
            async with asyncio.timeout(WRITE_S):
                await redis.set(_name(key), data, px=max(1, int(left_s * 1000)))
        except _failures() as error:
            self._lost(error)
            return False
        finally:
            self._writing -= 1
        return True

    async def purge(self, what: Purge) -> int | None:
        """Drop what agrees, and let the other processes do so; return how many. None where it is away."""
        redis = self._redis
        if redis is None or not self.is_here:
            return None
        count = 0
        try:
            said = {"purge": json.dumps([what.digest, what.tenant, what.route, self._now()])}
            await redis.xadd(PURGED, said, maxlen=MAX_PURGES, approximate=True)  # type: ignore[arg-type]
            async for name in redis.scan_iter(match=_pattern(what), count=SCAN_COUNT):
                count += await redis.unlink(name)
        except _failures() as error:
            self._lost(error)
            return None
        return count

    # ------------------------------------------------------------ connecting

    async def _keep_up(self) -> None:
        """Connect, and listen for purges, until cancelled."""
        # The package takes longer to import than a request may wait for Redis.
        library = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
        retry = await asyncio.to_thread(importlib.import_module, "redis.asyncio.retry")
        backoff = await asyncio.to_thread(importlib.import_module, "redis.backoff")
        pool = library.BlockingConnectionPool.from_url(
            self._url,
            max_connections=MAX_CONNECTIONS,
            timeout=BUDGET_S,
            socket_timeout=10 * BUDGET_S,
            socket_connect_timeout=BUDGET_S,
            retry=retry.Retry(backoff.NoBackoff(), 0),
        )
        self._redis = redis = library.Redis(connection_pool=pool)
        while True:
            try:
                # Bounded by the sockets' timeouts alone: redis-py loses a connection that is cancelled as it fails.
                found = await redis.xread({PURGED: self._last}, count=MAX_PURGES)
                for number, fields in (row for _, rows in found for row in rows):
                    digest, tenant, route, at = json.loads(fields[b"purge"])
                    await self._on_purged(Purge(digest, tenant, route), at)
                    self._last = number.decode()
            except _failures() as error:
                self._lost(error)
            else:
                if not self.is_here:
                    LOGGER.info("redis is here: answers are shared with other processes")
                self.is_here, self._is_told = True, False
            await asyncio.sleep(BEAT_S)

    def _lost(self, error: BaseException) -> None:
        self.is_here = False
        self.failures += 1
        if not self._is_told:
            LOGGER.warning("redis is away (%s): answers kept there are missed until it is back", type(error).__name__)
            self._is_told = True


def _name(key: Key) -> str:
    return f"{PREFIX}:{key.tenant_tag}:{key.route_tag}:{key.id}"


def _pattern(what: Purge) -> str:
    digest, tenant, route = what.tags
    names = f"{digest}*" if digest is not None and _LITERAL.fullmatch(digest) else "*" if digest is None else "-"
    return f"{PREFIX}:{tenant or '*'}:{route or '*'}:{names}"


def _failures() -> tuple[type[BaseException], ...]:
    """What an absent, full, read-only or slow Redis raises, and what is raised where it holds something strange."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, TimeoutError, ValueError)

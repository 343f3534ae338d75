"""Request rates that several processes share, in Redis: one script call a request, in which all rates count or none.

While Redis is away each process counts by itself (`Rates`), and looks for Redis again after a while: limits then hold
per process instead of for all, and no request waits or fails for it.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.stores.rates import Rate, Refused

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOGGER = logging.getLogger("gateway")

BUDGET_S = 0.05  # what a request may wait for Redis, connection included
AWAY_S = 1.0  # for how long an absent Redis is left alone: the next requests do not wait for it again
MAX_CONNECTIONS = 50  # a call takes well under a millisecond; more than this would only queue in Redis

# Redis' own clock decides, so that processes need not agree on the time. A rate is a hash: number of the window, its
# count and that of the window before. Returns the rate that refuses (0: none) and its wait in ms, then of each rate
# what is left and in how many ms all would be.
_SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local refused, longest, rates = 0, 0, {}
local function until_below(level, window, left, current, previous)
  if current >= level then return left + window - window * level / current end
  if previous > 0 then return math.max(0, left - window * (level - current) / previous) end
  return 0
end
for i, key in ipairs(KEYS) do
  local amount, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local number = math.floor(now / window)
  local held = redis.call('HMGET', key, 'number', 'current', 'previous')
  local at, current, previous = tonumber(held[1]) or -2, tonumber(held[2]) or 0, tonumber(held[3]) or 0
  if at == number - 1 then current, previous = 0, current elseif at ~= number then current, previous = 0, 0 end
  local left = window - now % window
  if math.floor(previous * left / window + current) + 1 > amount then
    local wait = until_below(amount, window, left, current, previous)
    if refused == 0 or wait > longest then refused, longest = i, wait end
  end
  rates[i] = {amount, window, number, current, previous, left}
end
local answer = {refused, math.ceil(longest * 1000) + 1}
for i, rate in ipairs(rates) do
  local amount, window, number, current, previous, left = unpack(rate)
  if refused == 0 then
    current = current + 1
    redis.call('HSET', KEYS[i], 'number', number, 'current', current, 'previous', previous)
    redis.call('PEXPIRE', KEYS[i], math.ceil(2000 * window))
  end
  answer[2 * i + 1] = math.max(0, amount - math.floor(previous * left / window + current))
  answer[2 * i + 2] = math.ceil(until_below(1, window, left, current, previous) * 1000)
end
return answer
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of counting a request: who refuses it, if any, and for each rate (left, seconds until all are)."""

    refused: Refused | None
    left: tuple[tuple[int, float], ...]


class SharedRates:
    """Counts in the Redis that `use` names; `take` returns None where there is none, or it is away."""

    def __init__(self) -> None:
        self._url = ""
        self._redis: Redis | None = None
        self._script: Any = None
        self._away_until_s = 0.0
        self._changes: set[asyncio.Task[None]] = set()

    def use(self, url: str) -> None:
        """Count at `url` from now on, "" for nowhere. Connects beside the requests, which do not wait for it."""
        if url == self._url:
            return
        old, self._redis, self._script = self._redis, None, None
        self._url, self._away_until_s = url, 0.0
        self._begin(self._change(old, url))

    async def _change(self, old: Redis | None, url: str) -> None:
        if old is not None:
            await old.aclose(close_connection_pool=True)
        if not url:
            return
        # The package takes longer to import than a request may wait for Redis.
        library = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
        pool = library.BlockingConnectionPool.from_url(url, max_connections=MAX_CONNECTIONS, timeout=BUDGET_S)
        client: Redis = library.Redis(connection_pool=pool)
        try:
            await client.ping()
        except _failures() as error:
            LOGGER.warning("redis is away (%s); each process counts requests by itself", type(error).__name__)
            self._away_until_s = time.monotonic() + AWAY_S
        else:
            LOGGER.info("requests are counted in redis, together with other processes")
        if url == self._url:
            self._redis, self._script = client, client.register_script(_SCRIPT)
        else:
            await client.aclose(close_connection_pool=True)

    def _begin(self, change: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)

    async def take(self, rates: Sequence[Rate], who: str) -> Taken | None:
        """Count one request of `who` at all rates, or at none."""
        if self._redis is None or not rates or time.monotonic() < self._away_until_s:
            return None
        try:
            async with asyncio.timeout(BUDGET_S):
                answer = await self._run(rates, who)
        except _failures() as error:
            if self._away_until_s == 0.0:
                LOGGER.warning("redis is away (%s); each process counts requests by itself", type(error).__name__)
            self._away_until_s = time.monotonic() + AWAY_S
            return None
        if self._away_until_s:
            LOGGER.warning("redis is back; requests are counted together again")
            self._away_until_s = 0.0
        refused, wait_ms, *left = answer
        pairs = tuple((left[at], left[at + 1] / 1000) for at in range(0, len(left), 2))
        return Taken(Refused(rates[refused - 1], wait_ms / 1000) if refused else None, pairs)

    async def aclose(self) -> None:
        self.use("")
        await asyncio.gather(*self._changes, return_exceptions=True)

    async def _run(self, rates: Sequence[Rate], who: str) -> list[int]:
        keys = [f"gateway:rate:{{{who}}}:{rate.amount}/{rate.window_s}" for rate in rates]
        numbers = [number for rate in rates for number in (rate.amount, rate.window_s)]
        found: list[int] = await self._script(keys=keys, args=numbers)
        return found


def _failures() -> tuple[type[BaseException], ...]:
    """What an absent, full, read-only or slow Redis raises."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, TimeoutError)

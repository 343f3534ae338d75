"""Whether work takes time in proportion to its size: a ratio of one run, so that no machine is too slow for it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

TIMES = 3  # the quickest counts: what disturbs the machine never makes anything quicker
LARGER = 10
MOST = 30  # work that grows with the square of its size takes a hundred times as long


async def growth(work: Callable[[int], Awaitable[object]], size: int) -> float:
    """Return how many times as long a size that is LARGER takes this thread; below MOST it is in proportion."""
    return await _shortest_s(work, size * LARGER) / await _shortest_s(work, size)


async def _shortest_s(work: Callable[[int], Awaitable[object]], size: int) -> float:
    found = []
    for _ in range(TIMES):
        began_s = time.thread_time()
        await work(size)
        found.append(time.thread_time() - began_s)
    return min(found)

"""Copies of calls that are under way in the background, for nobody to wait for."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine

LOGGER = logging.getLogger("gateway")


class Shadows:
    """Owns their tasks: bounded by name while they run, and ended with the process."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight: Counter[str] = Counter()

    def in_flight(self, name: str) -> int:
        return self._in_flight[name]

    def begin(
        self, name: str, most: int, work: Coroutine[None, None, None], release: Callable[[], None] = lambda: None
    ) -> bool:
        """Begin a copy, and return whether that was done: not where `most` of this name are under way.

        `release` is called once it is over, or was not begun.
        """
        if self._in_flight[name] >= most:
            work.close()
            release()
            return False
        self._in_flight[name] += 1
        task = asyncio.create_task(work, name=f"shadow {name}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(name, done, release))
        return True

    async def aclose(self) -> None:
        """End all that are under way, and wait until they have."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _end(self, name: str, task: asyncio.Task[None], release: Callable[[], None]) -> None:
        release()  # not left to the copy: one that was ended before it began closes nothing
        self._tasks.discard(task)
        self._in_flight[name] -= 1
        if not self._in_flight[name]:
            del self._in_flight[name]
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            LOGGER.error("a shadow failed inside the gateway", exc_info=fault)

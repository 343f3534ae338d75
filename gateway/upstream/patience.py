"""A limit on each of the waits for one answer, by one timer that is set again when it rings and not with every wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """For one task at a time, as an iterator is. `asyncio.timeout` would make and take back a timer for every chunk."""

    __slots__ = ("_is_over", "_loop", "_task", "_timer", "now_s", "until_s")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now_s = loop.time
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None  # who waits, while somebody does
        self.until_s = 0.0  # of the wait that is under way, which may be set later
        self._is_over = False

    async def wait(self, awaitable: Awaitable[T], until_s: float) -> T:
        """Return what is waited for. Raises TimeoutError where it does not come until then, by the loop's clock."""
        task = self._task = asyncio.current_task()
        assert task is not None
        requests = task.cancelling()
        self.until_s = until_s
        timer = self._timer
        if timer is None or timer.when() > until_s:
            if timer is not None:
                timer.cancel()
            self._timer = self._loop.call_at(until_s, self._ring)
        try:
            return await awaitable
        except asyncio.CancelledError as error:
            if self._is_over and task.uncancel() <= requests:
                raise TimeoutError from error
            raise
        finally:
            self._task = None
            self._is_over = False

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return  # the next wait sets it again
        if self.now_s() < self.until_s:
            self._timer = self._loop.call_at(self.until_s, self._ring)
            return
        self._is_over = True
        self._task.cancel()

"""The time of day by which windows and budgets are counted: one that nobody's correction turns back."""

from __future__ import annotations

import time
from collections.abc import Callable

SLEPT_S = 60.0  # so far ahead the wall clock is only after the machine slept, or was set


class SteadyClock:
    """Seconds since the epoch. Runs on by the monotonic clock from what the wall clock said at the start.

    A wall clock that is set back, or corrected step by step, moves no window and opens no budget anew. One that is
    ahead is followed, since the monotonic clock stands while a machine sleeps.
    """

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset_s = wall() - monotonic()

    def __call__(self) -> float:
        now = self._monotonic() + self._offset_s
        wall = self._wall()
        if wall > now + SLEPT_S:
            self._offset_s += wall - now
            return wall
        return now

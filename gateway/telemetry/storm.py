"""Many lines that say the same: some of them, and how many more there were."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

MAX_KINDS = 1000  # that are told apart within a second; beyond that all are one


class Storms:
    """Lets `per_s` lines of a kind through in each second."""

    def __init__(self, per_s: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._now = now
        self._second = 0
        self._seen: dict[Hashable, int] = {}

    def passes(self, kind: Hashable) -> bool:
        """Say whether a line of this kind is to be written. What `ended` has to tell is to be asked for before."""
        if kind not in self._seen and len(self._seen) >= MAX_KINDS:
            kind = None
        seen = self._seen[kind] = self._seen.get(kind, 0) + 1
        return seen <= self._per_s

    def ended(self) -> int:
        """Return how many lines did not pass in a second that is over by now; 0 within a second."""
        second = int(self._now())
        if second == self._second:
            return 0
        self._second = second
        left_out = sum(seen - self._per_s for seen in self._seen.values() if seen > self._per_s)
        self._seen.clear()
        return left_out

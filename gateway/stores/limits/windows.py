"""Counters of sliding windows, as the package `limits` counts them, on a storage of constant time per hit.

The storage that `limits` brings walks over all its keys from time to time: 381 µs a hit at 5,000 keys, measured. This
one forgets what is over while it is touched. It is a storage of `limits`, whose own strategy is its oracle in the
tests; asking it directly spares that strategy's building of keys, and lets an estimate be corrected afterwards.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable

from limits.storage.base import SlidingWindowCounterSupport, Storage

FORGOTTEN_PER_HIT = 2  # more than one, so that the table shrinks after a flood of strangers
GRAIN_S = 0.001  # added to a wait: at its very end the count is still at the limit; clients are told milliseconds


class WindowStorage(Storage, SlidingWindowCounterSupport):
    """Two counters a key: of the window that runs and of the one before it.

    Keys of one window length share a table, in the order in which their windows began, so that its oldest is the first
    to be over.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        # length -> key -> [window number, current, previous]
        self._tables: defaultdict[int, OrderedDict[str, list[int]]] = defaultdict(OrderedDict)
        self._swept: dict[int, int] = {}  # length -> the window's number in which nothing is over that is still there

    def rolled(self, key: str, expiry: int, now: float) -> list[int] | None:
        """Return the key's counters as they are now, [window number, current, previous]; None: nothing counts."""
        table = self._tables[expiry]
        window = table.get(key)
        if window is None or window[0] == now // expiry:
            return window
        number = int(now // expiry)
        if window[0] != number - 1 or not window[1]:
            del table[key]
            return None
        window[:] = [number, 0, window[1]]
        table.move_to_end(key)
        return window

    def add(self, key: str, expiry: int, amount: int, now: float, window: list[int] | None = None) -> list[int]:
        """Count `amount` in the running window, whatever the limit, and return the key's counters: `window`, where they
        were rolled to this moment already."""
        if window is None:
            window = self.rolled(key, expiry, now)
        if window is None:
            return self.begin(key, expiry, amount, now)
        window[1] += amount
        if self._swept.get(expiry) != window[0]:
            self._sweep(expiry, window[0])
        return window

    def begin(self, key: str, expiry: int, amount: int, now: float) -> list[int]:
        """As `add`, of a key of which `rolled` has just said that nothing counts."""
        window = self._tables[expiry][key] = [int(now // expiry), amount, 0]
        self._sweep(expiry, window[0])
        return window

    def correct(self, key: str, expiry: int, number: int, amount: int) -> None:
        """Add `amount`, which may be negative, to the window of that number, while it still counts."""
        window = self.rolled(key, expiry, self._now())
        if window is not None:
            correct(window, number, amount)

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = self._now()
        if counted(self.rolled(key, expiry, now), expiry, now) + amount > limit:
            return False
        self.add(key, expiry, amount, now)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return (previous count, its seconds left, current count, its seconds left)."""
        now = self._now()
        window = self.rolled(key, expiry, now)
        if window is None:
            return 0, 0.0, 0, 0.0
        left_s = expiry - now % expiry
        return window[2], left_s if window[2] else 0.0, window[1], left_s + expiry if window[1] else 0.0

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._tables[expiry].pop(key, None)

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def _sweep(self, expiry: int, number: int) -> None:
        if self._swept.get(expiry) != number and _forget(self._tables[expiry], number):
            self._swept[expiry] = number

    # The rest of the interface serves fixed windows, which are not used here.

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        raise NotImplementedError

    def get(self, key: str) -> int:
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        raise NotImplementedError

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        count = len(self)
        self._tables.clear()
        return count

    def clear(self, key: str) -> None:
        for table in self._tables.values():
            table.pop(key, None)


def correct(window: list[int], number: int, amount: int) -> None:
    """Add `amount`, which may be negative, to the window of that number in a key's counters, while it still counts.

    The counters need not be rolled to this moment: what is over by then is left out when they are.
    """
    later = window[0] - number
    if 0 <= later <= 1:
        window[1 + later] = max(0, window[1 + later] + amount)


def counted(window: list[int] | None, expiry: int, now: float) -> int:
    """Return how many units count: those of the running window, and what is left of the one before it."""
    if window is None:
        return 0
    _, current, previous = window
    return current if not previous else math.floor(previous * (expiry - now % expiry) / expiry + current)


def until_below(window: list[int] | None, expiry: int, now: float, level: int) -> float:
    """Return the seconds until the weighted count would fall to `level`, which it then leaves downwards.

    Within a window the previous one's count fades; once the window is over, its own does.
    """
    if window is None:
        return 0.0
    _, current, previous = window
    left_s = expiry - now % expiry
    if current >= level:
        return left_s + expiry - expiry * level / current if current else 0.0
    return max(0.0, left_s - expiry * (level - current) / previous) if previous else 0.0


def _forget(table: OrderedDict[str, list[int]], number: int) -> bool:
    """Drop the keys that were touched longest ago, if both their windows are over. Return whether none is left that
    could be over before the next window."""
    for _ in range(FORGOTTEN_PER_HIT):
        key, window = next(iter(table.items()))
        if number <= window[0] + 1:
            return True
        del table[key]
    return False

"""Request rates, counted by the package `limits` in a sliding window, on a storage of constant time per hit.

The storage that `limits` brings walks over all its keys from time to time: 381 µs a hit at 5,000 keys, measured. This
one forgets what is over while it is touched.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage.base import SlidingWindowCounterSupport, Storage
from limits.strategies import SlidingWindowCounterRateLimiter

FORGOTTEN_PER_HIT = 2  # more than one, so that the table shrinks after a flood of strangers
GRAIN_S = 0.001  # added to a wait: at its very end the count is still at the limit; clients are told milliseconds


class Rate:
    """A limit such as 60 per minute."""

    def __init__(self, item: RateLimitItem) -> None:
        self.item = item
        self.amount = item.amount
        self.window_s = item.get_expiry()

    def __str__(self) -> str:
        return str(self.item)


@dataclass(frozen=True, slots=True)
class Refused:
    rate: Rate
    wait_s: float


class Rates:
    """Limits of several rates at once: all of them are hit, or none."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._storage = WindowStorage(now)
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    @staticmethod
    def parse(text: str) -> Rate:
        """Return the rate that "60/minute" says. Raises ValueError."""
        return Rate(parse(text))

    def take(self, rates: Sequence[Rate], who: str) -> Refused | None:
        """Count one request of `who`, or say which rate refuses it the longest. Does not await, so that nothing comes
        between the look and the count."""
        refused = [rate for rate in rates if not self._limiter.test(rate.item, who)]
        if refused:
            waits = [Refused(rate, self._until_below(rate.amount, rate, who) + GRAIN_S) for rate in refused]
            return max(waits, key=lambda wait: wait.wait_s)
        for rate in rates:
            self._limiter.hit(rate.item, who)
        return None

    def left(self, rate: Rate, who: str) -> tuple[int, float]:
        """Return how many requests are left, and after how many seconds all of them would be."""
        previous, previous_ttl, current, _ = self._storage.get_sliding_window(rate.item.key_for(who), rate.window_s)
        weighted = previous * previous_ttl / rate.window_s + current
        return max(0, rate.amount - math.floor(weighted)), self._until_below(1, rate, who)

    def _until_below(self, level: int, rate: Rate, who: str) -> float:
        """Return the seconds until the weighted count would fall to `level`, which it then leaves downwards.

        Within a window the previous one's count fades; once the window is over, its own does.
        """
        window_s = rate.window_s
        previous, previous_ttl, current, current_ttl = self._storage.get_sliding_window(
            rate.item.key_for(who), window_s
        )
        if current >= level:
            return current_ttl - window_s * level / current
        return max(0.0, previous_ttl - window_s * (level - current) / previous) if previous else 0.0


class WindowStorage(Storage, SlidingWindowCounterSupport):
    """Two counters a key: of the window that runs and of the one before it.

    Keys of one window length share a table, in the order they were touched, so that its oldest is the first to be over.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._tables: dict[int, OrderedDict[str, list[int]]] = {}  # length -> key -> [window number, current, previous]

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        previous, previous_ttl, current, _ = self.get_sliding_window(key, expiry)
        if math.floor(previous * previous_ttl / expiry + current) + amount > limit:
            return False
        table = self._table(expiry)
        number = int(self._now() // expiry)
        window = table.setdefault(key, [number, 0, 0])
        window[1] += amount
        table.move_to_end(key)
        _forget(table, number)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return (previous count, its seconds left, current count, its seconds left)."""
        now = self._now()
        number = int(now // expiry)
        left_s = expiry - now % expiry
        table = self._table(expiry)
        window = table.get(key)
        if window is None:
            return 0, 0.0, 0, 0.0
        if window[0] != number:
            if window[0] != number - 1 or not window[1]:
                del table[key]
                return 0, 0.0, 0, 0.0
            window[:] = [number, 0, window[1]]
            table.move_to_end(key)
        return window[2], left_s if window[2] else 0.0, window[1], left_s + expiry if window[1] else 0.0

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._table(expiry).pop(key, None)

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def _table(self, expiry: int) -> OrderedDict[str, list[int]]:
        table = self._tables.get(expiry)
        if table is None:
            table = self._tables[expiry] = OrderedDict()
        return table

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


def _forget(table: OrderedDict[str, list[int]], number: int) -> None:
    """Drop the keys that were touched longest ago, if both their windows are over."""
    for _ in range(FORGOTTEN_PER_HIT):
        key, window = next(iter(table.items()))
        if number <= window[0] + 1:
            return
        del table[key]

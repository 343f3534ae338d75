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
        """Count one request of `who`, or say which rate refuses it. Does not await, so that nothing comes between."""
        for rate in rates:
            if not self._limiter.test(rate.item, who):
                return Refused(rate, self._wait_s(rate, who))
        for rate in rates:
            self._limiter.hit(rate.item, who)
        return None

    def left(self, rate: Rate, who: str) -> tuple[int, float]:
        """Return how many requests are left, and after how many seconds all of them would be."""
        previous, previous_ttl, current, current_ttl = self._storage.get_sliding_window(
            rate.item.key_for(who), rate.window_s
        )
        weighted = previous * previous_ttl / rate.window_s + current
        reset_s = current_ttl + rate.window_s if current else (previous_ttl if previous else 0.0)
        return max(0, rate.amount - math.floor(weighted)), reset_s

    def _wait_s(self, rate: Rate, who: str) -> float:
        """Return when the weighted count falls far enough for one more request."""
        previous, previous_ttl, current, current_ttl = self._storage.get_sliding_window(
            rate.item.key_for(who), rate.window_s
        )
        if current >= rate.amount:  # not before this window has become the previous one and faded a little
            return current_ttl + rate.window_s * (1 - rate.amount / (current + 1)) if rate.amount else math.inf
        excess = previous * previous_ttl / rate.window_s + current - rate.amount
        return max(0.001, excess * rate.window_s / previous) if previous else 0.001


class WindowStorage(Storage, SlidingWindowCounterSupport):
    """Two counters a key: of the window that runs and of the one before it."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self._now = now
        self._windows: OrderedDict[str, list[int]] = OrderedDict()  # key -> [window number, current, previous, length]

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        previous, previous_ttl, current, _ = self.get_sliding_window(key, expiry)
        if math.floor(previous * previous_ttl / expiry + current) + amount > limit:
            return False
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = [int(self._now() // expiry), 0, 0, expiry]
        window[1] += amount
        self._windows.move_to_end(key)
        self._forget()
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return (previous count, its seconds left, current count, its seconds left)."""
        now = self._now()
        number = int(now // expiry)
        left_s = expiry - now % expiry
        window = self._windows.get(key)
        if window is None:
            return 0, 0.0, 0, 0.0
        if window[0] != number:
            window[:] = [number, 0, window[1] if window[0] == number - 1 else 0, expiry]
        return window[2], left_s if window[2] else 0.0, window[1], left_s + expiry if window[1] else 0.0

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        self._windows.pop(key, None)

    def __len__(self) -> int:
        return len(self._windows)

    def _forget(self) -> None:
        """Drop the keys that were touched longest ago, if both their windows are over."""
        for _ in range(FORGOTTEN_PER_HIT):
            key, window = next(iter(self._windows.items()))
            if int(self._now() // window[3]) <= window[0] + 1:
                return
            del self._windows[key]

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
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

"""Answers in memory, bounded by bytes; what was used longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.types import EMPTY, Event


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete answer as events, what produced it, about how much memory it takes, and what was said of it."""

    events: tuple[Event, ...]
    target: str
    size_bytes: int
    headers: Mapping[str, str] = EMPTY


class CacheStore:
    def __init__(self, max_bytes: int, now: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self.size_bytes = 0
        self._now = now  # monotonic
        self._entries: OrderedDict[bytes, tuple[float, Entry]] = OrderedDict()  # key -> (expires, entry)

    @property
    def max_bytes(self) -> int:
        """How much may be kept. A reload may change it; what is then too much goes at once."""
        return self._max_bytes

    @max_bytes.setter
    def max_bytes(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shrink()

    def get(self, key: bytes) -> Entry | None:
        expires_s, entry = self._entries.get(key, (0.0, None))
        if entry is None:
            return None
        if expires_s <= self._now():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: bytes, entry: Entry, ttl_s: float) -> None:
        """Keep an entry in the place of an older one, which goes even where the new one is too large to be kept."""
        if key in self._entries:
            self._drop(key)
        if entry.size_bytes > self._max_bytes or ttl_s <= 0:
            return
        self._entries[key] = (self._now() + ttl_s, entry)
        self.size_bytes += entry.size_bytes
        self._shrink()

    def __len__(self) -> int:
        return len(self._entries)

    def _shrink(self) -> None:
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        _, entry = self._entries.pop(key)
        self.size_bytes -= entry.size_bytes

"""Answers in memory, bounded by bytes; what was used longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.types import Event


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete answer as events, what produced it, and about how much memory it takes."""

    events: tuple[Event, ...]
    target: str
    size_bytes: int


class CacheStore:
    def __init__(self, max_bytes: int, now: Callable[[], float]) -> None:
        self.max_bytes = max_bytes  # may change with a reload
        self.size_bytes = 0
        self._now = now  # monotonic
        self._entries: OrderedDict[bytes, tuple[float, Entry]] = OrderedDict()  # key -> (expires, entry)

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
        if entry.size_bytes > self.max_bytes or ttl_s <= 0:
            return
        if key in self._entries:
            self._drop(key)
        self._entries[key] = (self._now() + ttl_s, entry)
        self.size_bytes += entry.size_bytes
        while self.size_bytes > self.max_bytes:
            self._drop(next(iter(self._entries)))

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: bytes) -> None:
        _, entry = self._entries.pop(key)
        self.size_bytes -= entry.size_bytes

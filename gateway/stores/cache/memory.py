"""Answers in memory, bounded by bytes; what was used longest ago goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from gateway.stores.cache.entry import Entry, Key, Purge


class MemoryStore:
    """`now` gives seconds of the epoch."""

    def __init__(self, max_bytes: int, now: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self.size_bytes = 0
        self.evictions = 0
        self._now = now
        self._entries: OrderedDict[str, tuple[Key, Entry]] = OrderedDict()  # by id

    @property
    def max_bytes(self) -> int:
        """How much may be kept. A reload may change it; what is then too much goes at once."""
        return self._max_bytes

    @max_bytes.setter
    def max_bytes(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shrink()

    def get(self, key: Key) -> Entry | None:
        found = self._entries.get(key.id)
        if found is None:
            return None
        if found[1].kept_until <= self._now():
            self._drop(key.id)
            return None
        self._entries.move_to_end(key.id)
        return found[1]

    def put(self, key: Key, entry: Entry) -> None:
        """Keep an entry in the place of an older one, which goes even where the new one is too large to be kept."""
        if key.id in self._entries:
            self._drop(key.id)
        if entry.size_bytes > self._max_bytes or entry.kept_until <= self._now():
            return
        self._entries[key.id] = (key, entry)
        self.size_bytes += entry.size_bytes
        self._shrink()

    def purge(self, what: Purge, before: float = float("inf")) -> int:
        """Drop what agrees and was stored before a time; return how many entries that were."""
        gone = [name for name, (key, kept) in self._entries.items() if kept.stored_at <= before and what.takes(key)]
        for name in gone:
            self._drop(name)
        return len(gone)

    def __len__(self) -> int:
        return len(self._entries)

    def _shrink(self) -> None:
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
            self.evictions += 1

    def _drop(self, name: str) -> None:
        _, entry = self._entries.pop(name)
        self.size_bytes -= entry.size_bytes

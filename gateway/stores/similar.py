"""Questions that were asked, by what they mean: for a new one, which of them are the nearest?"""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from gateway.stores.cache import Key

FIRST_ROWS = 16  # of a shelf's matrix, which doubles as it fills


class SimilarQuestions:
    """Shelves of unit vectors: only what stands on one shelf is compared. Needs the extra `semantic` when used."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}

    def room(self, name: str, max_questions: int) -> Room:
        """Return where a route's questions stand; they outlive a reload."""
        room = self._rooms.setdefault(name, Room())
        room.max_questions = max_questions
        return room


class Room:
    """The shelves of one route. When it is full, the question that was added or found longest ago goes."""

    def __init__(self) -> None:
        self.max_questions = 0
        self._shelves: dict[str, _Shelf] = {}
        self._order: OrderedDict[tuple[str, str], None] = OrderedDict()  # (shelf, id of the key)

    def __len__(self) -> int:
        return len(self._order)

    def nearest(self, shelf: str, vector: Sequence[float], threshold: float) -> list[tuple[float, Key]]:
        """Return the answers' keys whose questions are at least so near, the nearest first; 1 is the same direction."""
        found = self._shelves.get(shelf)
        return found.nearest(vector, threshold) if found is not None else []

    def add(self, shelf: str, vector: Sequence[float], key: Key) -> None:
        """Put a question onto a shelf. One without a direction, all zeros or no number, is left out."""
        found = self._shelves.get(shelf)
        if found is None:
            found = self._shelves[shelf] = _Shelf(len(vector))
        if not found.put(vector, key):
            return
        self.touch(shelf, key)
        while len(self._order) > self.max_questions:
            oldest, key_id = next(iter(self._order))
            self._drop(oldest, key_id)

    def touch(self, shelf: str, key: Key) -> None:
        self._order[shelf, key.id] = None
        self._order.move_to_end((shelf, key.id))

    def forget(self, shelf: str, key: Key) -> None:
        """Take a question away whose answer is no longer kept."""
        if (shelf, key.id) in self._order:
            self._drop(shelf, key.id)

    def _drop(self, shelf: str, key_id: str) -> None:
        del self._order[shelf, key_id]
        self._shelves[shelf].take(key_id)
        if not self._shelves[shelf].keys:
            del self._shelves[shelf]


class _Shelf:
    def __init__(self, dimensions: int) -> None:
        self._numpy: Any = importlib.import_module("numpy")
        self.keys: list[Key] = []
        self._rows = self._numpy.empty((FIRST_ROWS, dimensions), self._numpy.float32)
        self._at: dict[str, int] = {}  # by the key's id

    def nearest(self, vector: Sequence[float], threshold: float) -> list[tuple[float, Key]]:
        unit = self._unit(vector)
        if unit is None:
            return []
        scores = self._rows[: len(self.keys)] @ unit
        near = self._numpy.flatnonzero(scores >= threshold)
        return sorted(((min(float(scores[at]), 1.0), self.keys[at]) for at in near), key=lambda one: -one[0])

    def put(self, vector: Sequence[float], key: Key) -> bool:
        unit = self._unit(vector)
        if unit is None:
            return False
        at = self._at.setdefault(key.id, len(self.keys))
        if at == len(self.keys):
            self.keys.append(key)
            if at == len(self._rows):
                self._rows = self._numpy.concatenate([self._rows, self._numpy.empty_like(self._rows)])
        self._rows[at] = unit
        return True

    def take(self, key_id: str) -> None:
        at, last = self._at.pop(key_id), self.keys.pop()
        if last.id != key_id:  # it takes the place that is free
            self.keys[at], self._at[last.id] = last, at
            self._rows[at] = self._rows[len(self.keys)]

    def _unit(self, vector: Sequence[float]) -> Any | None:
        """Return the vector at length 1; None where it has none, or is not of this shelf's size."""
        row = self._numpy.asarray(vector, self._numpy.float32)
        length = float(self._numpy.linalg.norm(row))
        if row.shape != self._rows.shape[1:] or not 0 < length < float("inf"):
            return None
        return row / self._numpy.float32(length)

"""How many attempts went well and how many failed lately: counts in slots of a tenth of the window."""

from __future__ import annotations

from collections import deque

SLOTS = 10  # an attempt is forgotten at most a tenth of the window late


class Window:
    def __init__(self, length_s: float) -> None:
        self._slot_s = length_s / SLOTS
        self._slots: deque[list[int]] = deque()  # [number of the slot, good, bad], the newest last

    def add(self, now_s: float, *, good: int = 0, bad: int = 0) -> None:
        number = int(now_s / self._slot_s)
        if not self._slots or self._slots[-1][0] != number:
            self._forget(number)
            self._slots.append([number, 0, 0])
        newest = self._slots[-1]
        newest[1] += good
        newest[2] += bad

    def counts(self, now_s: float) -> tuple[int, int]:
        """Return (good, bad)."""
        self._forget(int(now_s / self._slot_s))
        return sum(slot[1] for slot in self._slots), sum(slot[2] for slot in self._slots)

    def clear(self) -> None:
        self._slots.clear()

    def _forget(self, number: int) -> None:
        while self._slots and self._slots[0][0] <= number - SLOTS:
            self._slots.popleft()

"""The metrics of all workers for one of them, with those of workers that are gone, and of one that is too busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.telemetry.merge import Dump, family, lasting, merge

PATIENCE_S = 1.0  # for a worker whose loop is busy; then what it said last has to do

W = TypeVar("W", bound=Hashable)


@dataclass(eq=False)
class _Asked(Generic[W]):
    by: W
    id: int
    waiting: set[W]
    until_s: float
    count: int


class Gathering(Generic[W]):
    """`send` takes a worker, what a message is, and its content."""

    def __init__(
        self, send: Callable[[W, str, dict[str, Any]], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._send = send
        self._now = now
        self._asked: dict[int, _Asked[W]] = {}
        self._number = 0
        self._last: dict[W, Dump] = {}
        self._gone: Dump = []
        self.restarts = 0

    @property
    def due_s(self) -> float:
        """When `look` has to be called, at the latest."""
        return min((asked.until_s for asked in self._asked.values()), default=float("inf"))

    def begin(self, by: W, number: int, workers: Iterable[W], count: int) -> None:
        """Ask all workers, for the one that asked under its own `number`."""
        self._number += 1
        waiting = set(workers)
        self._asked[self._number] = _Asked(by, number, waiting, self._now() + PATIENCE_S, count)
        for worker in waiting:
            self._send(worker, "dump", {"id": self._number})

    def dumped(self, worker: W, number: int, found: Dump) -> None:
        self._last[worker] = found
        asked = self._asked.get(number)
        if asked is not None:
            asked.waiting.discard(worker)
            self._answer(number, asked)

    def gone(self, worker: W) -> None:
        """Keep what a worker counted until it was last asked."""
        self._gone = merge([self._gone, lasting(self._last.pop(worker, []))])
        for number, asked in tuple(self._asked.items()):
            asked.waiting.discard(worker)
            if asked.by == worker:
                del self._asked[number]
            else:
                self._answer(number, asked)

    def look(self, now_s: float) -> None:
        for number, asked in tuple(self._asked.items()):
            if now_s >= asked.until_s:
                asked.waiting.clear()
                self._answer(number, asked)

    def _answer(self, number: int, asked: _Asked[W]) -> None:
        if asked.waiting:
            return
        del self._asked[number]
        dumps = [of_workers(asked.count, self.restarts), *self._last.values(), self._gone]
        self._send(asked.by, "gathered", {"id": asked.id, "dumps": dumps})


def of_workers(count: int, restarts: int) -> Dump:
    """Return what the supervisor itself tells: how many workers are to serve, and how many were replaced."""
    name = "gateway_worker_restarts"
    return [
        family("gateway_workers", "gauge", "Processes that are to serve.", [["gateway_workers", {}, count]]),
        family(name, "counter", "Workers that died and were replaced.", [[f"{name}_total", {}, restarts]]),
    ]

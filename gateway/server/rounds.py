"""Reloads of several workers: each loads and says what it found, and when all have found the same, all apply it."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.config.model import Config
from gateway.errors import ConfigError, Problem
from gateway.server.line import Load, Message, Worker, plain
from gateway.server.notify import Notifier
from gateway.telemetry import logs

ROUND_S = 30.0  # for all workers to load a configuration


@dataclass(eq=False)
class _Round:
    id: int
    config: Config
    until_s: float
    waiting: set[Worker]
    problems: list[Problem] = field(default_factory=list)
    is_mixed: bool = False  # the files changed between one worker and the next
    is_applying: bool = False


class Rounds:
    """`config` and `number` are what serves; `workers` returns those that take part."""

    def __init__(self, config: Config, load: Load, workers: Callable[[], Sequence[Worker]], notifier: Notifier) -> None:
        self.config = config
        self.number = 1
        self.is_wanted = False
        self._load = load
        self._workers = workers
        self._notifier = notifier
        self._round: _Round | None = None
        self._ids = itertools.count(1)

    @property
    def serves(self) -> str:
        """What serves, as answers name it."""
        return f"{self.number}-{self.config.digest}"

    @property
    def due_s(self) -> float:
        """When `look` has to be called, at the latest."""
        if self._round is not None:
            return self._round.until_s
        return 0.0 if self.is_wanted else float("inf")

    def look(self, now_s: float) -> None:
        """Begin what is wanted, and end what takes too long."""
        if self._round is not None and now_s >= self._round.until_s:
            late = ", ".join(str(worker.index) for worker in self._round.waiting)
            self._abort([Problem("", 0, 0, f"worker {late} did not load it within {ROUND_S:g} s")])
        if self.is_wanted and self._round is None:
            self.is_wanted = False
            self._begin()

    def prepared(self, worker: Worker, message: Message) -> None:
        current = self._of(worker, message)
        if current is None:
            return
        current.problems += [Problem(*each) for each in message["problems"]]
        current.is_mixed |= message["digest"] not in (None, current.config.digest)
        if not current.waiting and (current.problems or current.is_mixed):
            self._abort(current.problems, again=current.is_mixed)
        elif not current.waiting:
            self._apply(current)

    def applied(self, worker: Worker, message: Message) -> None:
        current = self._of(worker, message)
        if current is None:
            return
        if message["generation"] != self.serves:  # a fault of ours: one that starts anew has the right one
            logs.LOGGER.error("worker %d serves %s, not %s: it ends", worker.index, message["generation"], self.serves)
            os.kill(worker.pid, signal.SIGTERM)
        if not current.waiting:
            self._round = None
            logs.LOGGER.info("configuration %s serves in %d workers", self.serves, len(self._workers()))
            self._notifier.ready(f"configuration {self.serves} serves")

    def changed(self, worker: Worker) -> None:
        """A worker came, or goes. One that comes has what serves, so what is not applied yet begins anew with it."""
        current = self._round
        if current is None:
            return
        if not current.is_applying:
            self._abort([], again=True)
            return
        current.waiting.discard(worker)
        if not current.waiting:
            self._round = None
            self._notifier.ready(f"configuration {self.serves} serves")

    def _of(self, worker: Worker, message: Message) -> _Round | None:
        """Return the round that a message belongs to, no longer waiting for who sent it."""
        current = self._round
        if current is None or message["round"] != current.id or worker not in current.waiting:
            return None
        current.waiting.discard(worker)
        return current

    def _begin(self) -> None:
        self._notifier.reloading()
        try:
            config = self._load()
        except ConfigError as error:
            self._refuse(error.problems)
            self._tell("refused", problems=[plain(each) for each in error.problems])
            return
        self._round = _Round(next(self._ids), config, time.monotonic() + ROUND_S, set(self._workers()))
        self._tell("reload", round=self._round.id)

    def _apply(self, current: _Round) -> None:
        before, now = self.config.server, current.config.server
        self.config, self.number = current.config, self.number + 1
        current.is_applying = True
        current.until_s = time.monotonic() + ROUND_S
        current.waiting = set(self._workers())
        self._tell("apply", round=current.id)
        logs.set_up(now.log_level)
        if before.workers != now.workers:
            logs.LOGGER.warning("server.workers is %d from the next start on", now.workers)

    def _abort(self, problems: Sequence[Problem], *, again: bool = False) -> None:
        """End the round. What is being applied already is the configuration that serves."""
        current, self._round = self._round, None
        assert current is not None
        self.is_wanted |= again
        if current.is_applying:
            for worker in current.waiting:
                logs.LOGGER.error("worker %d did not apply the configuration: it ends", worker.index)
                os.kill(worker.pid, signal.SIGKILL)
            self._notifier.ready(f"configuration {self.serves} serves")
            return
        problems = problems or [Problem("", 0, 0, "files or workers changed meanwhile; it is tried once more")]
        self._refuse(problems)
        self._tell("abort", round=current.id, problems=[plain(each) for each in problems])

    def _refuse(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            logs.LOGGER.error("reload refused: %s", problem)
        logs.LOGGER.error("configuration %s serves on", self.serves)
        self._notifier.ready(f"reload refused: configuration {self.serves} serves on")

    def _tell(self, kind: str, **content: Any) -> None:
        for worker in self._workers():
            worker.send(kind, **content)

"""Rounds in which everything that is compared has its turn, so that what disturbs the machine disturbs all of it."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks.rig import guards, processes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """How a scenario is run. A quick one shows that it works, in a tenth of the time; its figures are rough."""

    rounds: int = 5
    is_quick: bool = False
    with_peers: bool = False

    def of(self, whole: float, quick: float) -> float:
        return quick if self.is_quick else whole

    def count(self, whole: int, quick: int) -> int:
        return quick if self.is_quick else whole


@dataclass(slots=True)
class Rounds:
    """Takes turns, and keeps the clock of each round. The first is for warming up and does not count."""

    count: int
    warm_up: int = 1
    clocks_ms: list[float] = field(default_factory=list)

    def run(self, turns: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
        """Return what each of `turns` gave in each round; in every second round the last is the first."""
        found: dict[str, list[T]] = {name: [] for name in turns}
        for number in range(self.warm_up + self.count):
            order = list(turns)[:: 1 if number % 2 == 0 else -1]
            if number >= self.warm_up:
                self.clocks_ms.append(guards.clock_ms(processes.cores().subject))
            for name in order:
                value = turns[name]()
                if number >= self.warm_up:
                    found[name].append(value)
        return found

    def warnings(self) -> tuple[str, ...]:
        found = guards.clock_warning(self.clocks_ms)
        return () if found is None else (found,)


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        yield Path(folder)


def inside(folder: Path, name: str) -> Path:
    """Return a new folder in it."""
    (folder / name).mkdir()
    return folder / name


def conditions(options: Options, took_s: float, versions: str) -> str:
    """Return how it was measured: when, on what, how often."""
    pinned = processes.cores()
    where = (
        "measured process on one core, load and mock on another" if pinned.subject is not None else "all on one core"
    )
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores ({where}), "
        f"{'quick, ' if options.is_quick else ''}{options.rounds} rounds in {took_s:.0f} s. {versions}."
    )


def parser(description: str) -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--rounds", type=int, default=0, help="in which all have their turn; 0: 5, or 2 of a quick run")
    found.add_argument("--quick", action="store_true", help="a tenth of the time, rough figures")
    return found

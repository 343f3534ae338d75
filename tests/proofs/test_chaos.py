"""Whatever fails, leaves and is reloaded when: answers, rows, sums and what is under way stay right.

A seed that fails is played again by `python -m tests.proofs.virtual --seed N --runs 1`; ten thousand by `make chaos`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.proofs.virtual.chaos import played
from tests.proofs.virtual.invariants import broken
from tests.proofs.virtual.world import World

SEEDS = range(500)
FEW = range(20)


def _faults(seeds: range, folder: Path) -> dict[int, list[str]]:
    return {seed: found for seed in seeds if (found := played(seed, folder)[1])}


def test_a_few_seeds_hold(tmp_path: Path) -> None:
    assert _faults(FEW, tmp_path) == {}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_five_hundred_seeds_hold(tmp_path: Path) -> None:
    assert _faults(SEEDS, tmp_path) == {}


@pytest.mark.slow
def test_a_seed_is_the_same_run_in_every_process() -> None:
    command = [sys.executable, "-m", "tests.proofs.virtual", "--seed", "28", "--runs", "1"]
    runs = [
        subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]
    assert "\ndigest " in runs[0]
    assert runs[0] == runs[1]


# ---------------------------------------------------------------- the judge


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A run in which everything held, with an answer that is complete."""
    return played(0, tmp_path_factory.mktemp("world"))[0]


def _answered(world: World) -> int:
    return next(number for number, seen in world.seen.items() if seen.status == 200)


def _cut(world: World) -> World:
    number = _answered(world)
    return replace(world, seen={**world.seen, number: replace(world.seen[number], body=b"{")})


def _slow(world: World) -> World:
    fast = next(ask.number for ask in world.plan.asks if not ask.pause_s and ask.number in world.seen)
    return replace(world, seen={**world.seen, fast: replace(world.seen[fast], seconds=60.0)})


def _unwritten(world: World) -> World:
    name = f"chaos-{_answered(world):04d}"
    return replace(world, rows=[row for row in world.rows if row["request_id"] != name])


BREAKS: dict[str, Callable[[World], World]] = {
    "has no row": _unwritten,
    "has 2 rows": lambda world: replace(world, rows=[*world.rows, world.rows[0]]),
    "count as spent": lambda world: replace(world, spent_nano_usd=world.spent_nano_usd + 1),
    "are held for nobody": lambda world: replace(world, held=1),
    "counted as under way": lambda world: replace(world, in_flight=(1, 1.0)),
    "by their breakers": lambda world: replace(world, attempts={"alpha/gpt-4o-mini": 1}),
    "no word why": _cut,
    "beyond its deadline": _slow,
}


@pytest.mark.parametrize("word", BREAKS)
def test_the_judge_finds_what_does_not_hold(world: World, word: str) -> None:
    assert broken(world) == []
    assert any(word in fault for fault in broken(BREAKS[word](world))), broken(BREAKS[word](world))

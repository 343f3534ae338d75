"""Runs many seeds, or one again:

python -m tests.proofs.virtual --runs 10000          # another --seed for others
python -m tests.proofs.virtual --seed 4711 --runs 1  # plays that run again, and shows what happened in it
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.proofs.virtual.chaos import played

SEED = 20_261_129
STEP = 50  # runs that a process does at once


def _several(seeds: range) -> tuple[int, dict[int, list[str]]]:
    asks, faults = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            world, found = played(seed, Path(folder))
            asks += len(world.plan.asks)
            if found:
                faults[seed] = found
    return asks, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.runs == 1:
        with tempfile.TemporaryDirectory() as folder:
            world, found = played(given.seed, Path(folder))
        print("\n".join([str(world.plan), *world.events, f"digest {world.digest}", *found]))
        return len(found) > 0
    started_s = time.monotonic()
    seeds = range(given.seed, given.seed + given.runs)
    chunks = [seeds[at : at + STEP] for at in range(0, len(seeds), STEP)]
    asks, failed = 0, 0
    with ProcessPoolExecutor(given.jobs) as pool:
        for number, (more, faults) in enumerate(pool.map(_several, chunks), 1):
            asks += more
            for seed, found in faults.items():
                failed += 1
                print(f"seed {seed}: " + "; ".join(found), flush=True)
            if number * STEP % 1000 == 0:
                print(f"{number * STEP} runs, {asks} requests, {time.monotonic() - started_s:.0f} s", flush=True)
    print(f"{given.runs} runs, {asks} requests, {time.monotonic() - started_s:.0f} s: {failed} seeds do not hold")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

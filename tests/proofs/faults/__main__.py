"""Prints the table: `python -m tests.proofs.faults`, or `make faults`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.proofs.faults.bench import Cell, bench, run_row
from tests.proofs.faults.config import HOLD, PLAIN, ROUTES_OF_HOLDS
from tests.proofs.faults.outage import Outage, run_outage
from tests.proofs.faults.rows import ROWS
from tests.proofs.faults.work import WORKS

WIDTH = 17


async def run(outage_s: float, per_s: float) -> int:
    """Show everything, and return how many cells are not what they have to be."""
    wrong: list[str] = []
    routes = ROUTES_OF_HOLDS
    columns = [(route, work) for route in routes for work in WORKS]
    heads = {PLAIN: "as a stream goes on"} | {route: f"with {HOLD}" for route in routes if route != PLAIN}
    print(" " * 24 + "".join(f"{heads[route]:{WIDTH * len(WORKS)}}" for route in routes))
    print(f"{'':24}" + "".join(f"{work.name:{WIDTH}}" for _, work in columns))
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder)) as running:
            for row in ROWS:
                found = {route: await run_row(running, row, route) for route in routes}
                _print(row.name, [found[route][work.name] for route, work in columns])
                for route, work in columns:
                    cell = found[route][work.name]
                    if cell.verdict != row.expected(work, is_held=route != PLAIN):
                        wrong.append(f"{row.name}, {work.name}, {heads[route]}: {cell.verdict}: {cell.why}")
            outages = {route: await run_outage(running, route, outage_s, per_s) for route in routes}
            verdicts = {route: outage.verdicts() for route, outage in outages.items()}
            _print(f"{outage_s:g} s away at {per_s:g} rps", [verdicts[route][work.name] for route, work in columns])
            for route, work in columns:
                cell = verdicts[route][work.name]
                if cell.verdict != "pass":
                    wrong.append(f"outage, {work.name}, {heads[route]}: {cell.verdict}: {cell.why}")
    for route, outage in outages.items():
        print(f"\n{heads[route]}: {_told(outage)}")
    print("\n" + ("\n".join(wrong) if wrong else "every cell is what it has to be"))
    return len(wrong)


def _told(outage: Outage) -> str:
    lines = [f"{outage.requests} requests around the outage"]
    for target, back_s in outage.back_s.items():
        back = "not back" if back_s is None else f"back after {back_s:.1f} s"
        lines.append(f"  {target}: asked {outage.asked[target]} times while it was away, {back}")
    return "\n".join(lines)


def _print(name: str, cells: list[Cell]) -> None:
    print(f"{name:24}" + "".join(f"{cell.verdict:{WIDTH}}" for cell in cells), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage-s", type=float, default=60.0)
    parser.add_argument("--per-s", type=float, default=50.0)
    given = parser.parse_args()
    sys.exit(asyncio.run(run(given.outage_s, given.per_s)) > 0)

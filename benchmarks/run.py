"""Run benchmarks: `python -m benchmarks.run unary latency`, or a set: short, peers, long, all.

`--write` keeps the figures in RESULTS.md. Exits 1 where a goal was not reached; what was measured is printed and
written all the same.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from benchmarks.rig import guards, rounds, table, tools
from benchmarks.rig.processes import ROOT
from benchmarks.rig.rounds import Options
from benchmarks.rig.table import Section

RIG = ("unary", "latency", "streams", "speech", "scale", "bodies", "open_streams", "workers", "soak")
# These measure within one process, or with a vendor and clients of their own, and print lines beside their promises.
PRINTED = (
    "start", "translate", "voice", "live", "accounting", "breakers", "failover", "telemetry", "overload", "deadlines",
    "cache", "reload",
)  # fmt: skip
SETS = {
    "short": (*RIG[:5], *PRINTED),
    "peers": ("unary_peers",),
    "long": ("bodies", "open_streams", "workers", "soak"),
    "all": (*RIG, *PRINTED),
}
ORDER = ("unary_peers", *RIG, *PRINTED)
RESULTS = ROOT / "benchmarks" / "RESULTS.md"


def main(arguments: list[str] | None = None) -> int:
    parser = rounds.parser("measure what the gateway costs, beside its goals")
    parser.add_argument("names", nargs="+", choices=[*SETS, *ORDER], metavar="NAME", help=", ".join([*SETS, *ORDER]))
    parser.add_argument("--write", action="store_true", help=f"put the figures into {RESULTS.relative_to(ROOT)}")
    chosen = parser.parse_args(arguments)
    names = dict.fromkeys(one for name in chosen.names for one in SETS.get(name, (name,)))
    options = Options(chosen.rounds or (2 if chosen.quick else 5), chosen.quick)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    kept = [run(name, options, RESULTS if chosen.write else None) for name in names]  # all of them run
    return 0 if all(kept) else 1


def run(name: str, options: Options, page: Path | None) -> bool:
    """Run one scenario, print what it gave, put it into `page`, and return whether its goals were reached."""
    began_s, busy = time.monotonic(), guards.busy_warning(guards.busy_cores())
    try:
        section = printed(name) if name in PRINTED else measured(name, options)
    except (RuntimeError, tools.MissingError) as error:
        section = Section(name, f"{name}: not measured", (), (" ".join(str(error).split()),), has_failed=True)
    if busy is not None:
        section = replace(section, notes=(*section.notes, busy))
    print(table.as_text(section), flush=True)
    if page is not None:
        how = rounds.conditions(options, time.monotonic() - began_s, _versions(name))
        page.write_text(table.put_section(page.read_text(), name, table.as_markdown(section, how), ORDER))
    return section.is_kept


def _versions(name: str) -> str:
    found = [f"Python {sys.version.split()[0]}, {tools.ours()}"]
    found += [tools.servers()] if name in ("unary", "unary_peers", "streams", "speech") else []
    found += [tools.gateways()] if name == "unary_peers" else []
    return "; ".join(found)


def measured(name: str, options: Options) -> Section:
    """Return what a scenario on the rig gave. Raises RuntimeError where something did not answer as it should."""
    with_peers = name.endswith("_peers")
    module = import_module(f"benchmarks.{name.removesuffix('_peers')}")
    section: Section = module.measure(Options(options.rounds, options.is_quick, with_peers))
    if not with_peers:
        return section
    return Section(name, f"{section.title}, beside other gateways", section.rows, section.notes)


def printed(name: str) -> Section:
    """Return the lines that a scenario prints by itself. Raises RuntimeError where it ends without any."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py"],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = tuple(" ".join(line.split()) for line in done.stdout.splitlines() if line.strip())
    if not lines:
        raise RuntimeError(f"it ended with {done.returncode}: {done.stderr[-1500:]}")
    return Section(name, name, (), lines, has_failed=done.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())

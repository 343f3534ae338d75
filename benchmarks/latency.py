"""What the gateway adds to the latency of a chat at half of what it can, from an open loop, over asking the vendor."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.rig import processes, subjects
from benchmarks.rig.cost import cost
from benchmarks.rig.rounds import Options, Rounds, inside, scratch
from benchmarks.rig.table import Goal, Row, Section, row
from benchmarks.rig.wrk import Load

TITLE = "Added latency at half of the load it can take"
P50_MS, P99_MS = 0.3, 1.0
DELAYS_MS = (0, 20)


def measure(options: Options) -> Section:
    rows: list[Row] = []
    notes: list[str] = []
    with scratch() as folder, ExitStack() as stack:
        core = processes.cores()
        for delay_ms in DELAYS_MS:
            port = stack.enter_context(subjects.mock(folder, "--delay-ms", str(delay_ms)))
            start = subjects.gateway(
                "gateway", inside(folder, f"gateway-{delay_ms}"), port, subjects.GOVERNED, core=core.subject
            )
            ours = stack.enter_context(start)
            subjects.check(ours)
            # Of a delaying vendor's calls many are under way at once, and each costs the same.
            per_s = cost(ours, folder, options.of(2.0, 0.5), connections=64).per_s / 2
            for_s = options.of(5.0, 1.0)
            rounds = Rounds(options.rounds)
            found = rounds.run({
                "direct": partial(open_loop, port, ours.load, folder, per_s, for_s),
                "through": partial(open_loop, ours.port, ours.load, folder, per_s, for_s),
            })  # fmt: skip
            what = f"vendor of {delay_ms} ms, {per_s:,.0f} a second"
            for share, limit in (("p50_ms", P50_MS), ("p99_ms", P99_MS)):
                direct, through = ([one["small"][share] for one in found[name]] for name in ("direct", "through"))
                added = [b - a for a, b in zip(direct, through, strict=True)]
                rows.append(row(f"{what}: {share[:-3]} direct", direct, "ms"))
                rows.append(row(f"{what}: {share[:-3]} added", added, "ms", Goal("<=", limit)))
            notes += rounds.warnings()
    return Section("latency", TITLE, tuple(rows), tuple(notes))


def open_loop(
    port: int, load: Load, folder: Path, per_s: float, for_s: float, more: Sequence[str] = (), seed: int = 1
) -> dict[str, Any]:
    """Ask at random moments, and return what the load reports. Raises RuntimeError where a request failed."""
    body = folder / "body.json"
    body.write_text(load.body)
    headers = [word for name, value in load.headers for word in ("--header", f"{name}: {value}")]
    command = [
        *processes.on(processes.cores().load), sys.executable, "-m", "benchmarks.rig.open_loop",
        "--port", str(port), "--path", load.path,
        "--body", str(body), "--per-s", str(per_s), "--for-s", str(for_s), "--seed", str(seed), *headers, *more,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=processes.ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the open loop ended with {done.returncode}: {done.stderr[-800:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} requests failed at port {port}")
    return found

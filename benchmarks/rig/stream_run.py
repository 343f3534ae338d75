"""Runs the clients of streams beside a subject, and takes its processor time while they count."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import processes
from benchmarks.rig.processes import Child
from benchmarks.rig.wrk import Load

OPEN_S = 240.0  # for thousands of streams on a busy machine


@dataclass(frozen=True, slots=True)
class Streamed:
    events: int
    per_s: float
    per_event_us: float  # of the subject; 0 without one
    first_p50_ms: float
    first_p99_ms: float
    streams: int
    wrong: int
    chunks_per_event: float


def streamed(
    port: int,
    load: Load,
    folder: Path,
    *,
    streams: int,
    events: int,
    over_s: float,
    for_s: float,
    pid: int | None = None,
) -> Streamed:
    """Ask for so many streams at once, which begin within `over_s`.

    Raises RuntimeError where one is not, byte for byte, what the mock sent.
    """
    arguments = (
        "--streams", str(streams), "--events", str(events), "--over-s", str(over_s), "--for-s", str(for_s),
    )  # fmt: skip
    with clients(port, load, folder, *arguments) as running:
        running.wait_for(r"measuring", OPEN_S)
        before_s = processes.processor_s(pid) if pid is not None else 0.0
        said = running.wait_for(r"(?m)^\{.*\}$", OPEN_S)[0]
        used_s = processes.processor_s(pid) - before_s if pid is not None else 0.0
    found = json.loads(said)
    if found["wrong"] or not found["events"]:
        raise RuntimeError(f"{found['wrong']} of {found['streams']} streams at port {port} were wrong: {found['why']}")
    ended = max(1, found["streams"])
    return Streamed(
        found["events"], found["events"] / found["took_s"], used_s / found["events"] * 1e6,
        found["first_p50_ms"], found["first_p99_ms"], found["streams"], found["wrong"],
        found["chunks"] / ended / (events + 2),
    )  # fmt: skip


@contextmanager
def clients(port: int, load: Load, folder: Path, *arguments: str) -> Iterator[Child]:
    """Run the clients of streams on the load's core."""
    headers = [word for name, value in load.headers for word in ("--header", f"{name}: {value}")]
    command = [
        sys.executable, "-m", "benchmarks.rig.stream_loop", "--port", str(port), "--path", load.path,
        *headers, *arguments,
    ]  # fmt: skip
    environ = {"PYTHONPATH": str(processes.ROOT)}
    with processes.child("clients", command, folder, core=processes.cores().load, environ=environ) as running:
        yield running

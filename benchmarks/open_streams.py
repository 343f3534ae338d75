"""What thousands of open, slow streams cost one process in memory."""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack

from benchmarks.rig import processes, subjects
from benchmarks.rig.rounds import Options, inside, scratch
from benchmarks.rig.stream_run import OPEN_S, clients
from benchmarks.rig.table import Goal, Section, row

STREAMS = 5_000
EVERY_S = 5.0  # an event of each stream
WITHIN_MB = 190.0
OPENING_PER_S = 200.0
LOOKS = 5


def measure(options: Options) -> Section:
    raise_limit()
    streams = options.count(STREAMS, 200)
    with scratch() as folder, ExitStack() as stack:
        port = stack.enter_context(subjects.mock(folder, "--per-s", str(1 / EVERY_S), "--events", "100000"))
        start = subjects.gateway(
            "gateway",
            inside(folder, "gateway"),
            port,
            subjects.GOVERNED,
            core=processes.cores().subject,
            first_byte_s=OPEN_S,
        )
        ours = stack.enter_context(start)
        before_mb = processes.resident_mb(ours.child.pid)
        arguments = ("--streams", str(streams), "--over-s", str(streams / OPENING_PER_S), "--hold-s", "600")
        waiting = stack.enter_context(clients(ours.port, subjects.STREAM, folder, *arguments))
        if not (opened := waiting.wait_for("opened, .*", OPEN_S)[0]).startswith("opened, 0 lost"):
            raise RuntimeError(f"of {streams} streams: {opened}")
        found_mb = []
        for _ in range(LOOKS):
            time.sleep(options.of(EVERY_S / 2, 0.3))
            found_mb.append(processes.resident_mb(ours.child.pid))
        open_now = processes.descriptors(ours.child.pid)
    if open_now < 2 * streams:
        raise RuntimeError(f"only {open_now} descriptors were open for {streams} streams")
    rows = (
        row("resident before", [before_mb], "MB"),
        row(f"resident with {streams:,} streams open", found_mb, "MB", Goal("<=", WITHIN_MB)),
        row("for each of them", [(one - before_mb) * 1000 / streams for one in found_mb], "kB"),
    )
    return Section("open_streams", f"{streams:,} open streams, an event of each every {EVERY_S:g} s, one process", rows)


def raise_limit() -> None:
    """Allow this process and those it starts as many descriptors as may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

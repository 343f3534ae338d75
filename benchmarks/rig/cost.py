"""What a subject pays for a request of a closed loop: processor time of its whole tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import processes
from benchmarks.rig.subjects import Subject
from benchmarks.rig.wrk import Closed, Load, closed_loop


@dataclass(frozen=True, slots=True)
class Cost:
    per_request_us: float
    per_s: float
    mb_per_processor_s: float
    seen: Closed


def cost(
    subject: Subject, folder: Path, for_s: float, *, connections: int = 16, load: Load | None = None
) -> Cost:  # fmt: skip
    """Load the subject for so long; return what a request cost. Raises RuntimeError where one was not answered well."""
    before_s = processes.processor_s(subject.child.pid)
    seen = closed_loop(subject.port, load or subject.load, folder, connections=connections, for_s=for_s)
    used_s = max(processes.processor_s(subject.child.pid) - before_s, processes.TICK_S)
    if seen.failed or seen.cut or not seen.requests:
        raise RuntimeError(
            f"{subject.name}: {seen.failed} of {seen.requests} failed, {seen.cut} were cut; "
            f"{subject.child.said()[-800:]}"
        )
    paid_for = seen.requests + connections / 2  # those under way at the end were half done in the mean
    return Cost(used_s / paid_for * 1e6, seen.per_s, seen.received_bytes / 1e6 / used_s, seen)

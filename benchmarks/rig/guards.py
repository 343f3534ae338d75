"""Whether a run may be believed: the clock was steady, and the rig itself was not what limited it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

CALIBRATION_LOOPS = 300_000  # 10 to 20 ms, many scheduler ticks
MAX_CLOCK_DRIFT = 0.15  # between the quickest and the slowest time of the fixed work
MAX_BUSY_CORES = 0.2  # by others, just before
MIN_ROOM = 2.0  # the generator and the mock alone reach at least so many times what the gateway does


def clock_ms(core: int | None) -> float:
    """Return the processor time in milliseconds that a fixed piece of work takes on a core now."""
    home = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        began_s = time.process_time()
        total = 0
        for number in range(CALIBRATION_LOOPS):
            total += number & 7
        return (time.process_time() - began_s) * 1000
    finally:
        os.sched_setaffinity(0, home)


def drift(clocks_ms: Sequence[float]) -> float:
    """Return by which part the slowest of the fixed works took longer than the quickest."""
    return max(clocks_ms) / min(clocks_ms) - 1 if clocks_ms else 0.0


def clock_warning(clocks_ms: Sequence[float]) -> str | None:
    """Return what a reader has to know where the processor changed its speed between rounds, else None."""
    found = drift(clocks_ms)
    if found <= MAX_CLOCK_DRIFT:
        return None
    return f"clock guard: the same work took up to {found:.0%} longer in some rounds; trust the ratios alone"


def busy_cores(for_s: float = 0.5) -> float:
    """Return how many cores others keep busy now, while this process sleeps for so long; proc(5), stat."""
    before = _ticks()
    time.sleep(for_s)
    idle, all_of_them = (now - then for now, then in zip(_ticks(), before, strict=True))
    return (1 - idle / max(1, all_of_them)) * (os.cpu_count() or 1)


def busy_warning(busy: float) -> str | None:
    """Return what to know where others kept so many cores busy before it began, else None."""
    if busy <= MAX_BUSY_CORES:
        return None
    return f"load guard: others kept {busy:.1f} cores busy, and what has to wait for a core waited longer"


def _ticks() -> tuple[int, int]:
    """Return the ticks of all cores without work, and all ticks, since the start of the machine."""
    ticks = [int(count) for count in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def ceiling_warning(ceiling: float, reached: float) -> str | None:
    """Return what to know where mock and generator alone do not reach twice what was measured, else None."""
    if ceiling >= MIN_ROOM * reached:
        return None
    return (
        f"ceiling guard: generator and mock alone reach {ceiling:,.0f} a second, {ceiling / max(reached, 1e-9):.1f} "
        f"times what was measured, not {MIN_ROOM:g}; trust processor time, not rates"
    )

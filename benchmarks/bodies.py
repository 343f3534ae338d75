"""What small requests wait while others send 5 MB: one in a hundred of 500 a second, from an open loop."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks.latency import open_loop
from benchmarks.rig import processes, subjects
from benchmarks.rig.rounds import Options, Rounds, inside, scratch
from benchmarks.rig.table import Goal, Section, row

TITLE = "Large bodies beside small ones: 1 % of 5 MB"
PER_S, BIG_SHARE, BIG_BYTES = 500.0, 0.01, 5_000_000
ADDED_MS = 3.0


def measure(options: Options) -> Section:
    rounds = Rounds(options.rounds)
    per_s = options.of(PER_S, 100.0)
    with scratch() as folder, ExitStack() as stack:
        port = stack.enter_context(subjects.mock(folder))
        start = subjects.gateway(
            "gateway", inside(folder, "gateway"), port, subjects.GOVERNED, core=processes.cores().subject
        )
        ours = stack.enter_context(start)
        subjects.check(ours)
        big = folder / "big.json"
        big.write_text('{"model":"chat","messages":[{"role":"user","content":"%s"}]}' % ("word " * (BIG_BYTES // 5)))
        with_big = ("--big-body", str(big), "--big-share", str(BIG_SHARE))
        ask = partial(open_loop, load=ours.load, folder=folder, per_s=per_s, for_s=options.of(8.0, 2.0))
        turns = {
            "direct, small alone": partial(ask, port),
            "direct, beside large": partial(ask, port, more=with_big),
            "through, small alone": partial(ask, ours.port),
            "through, beside large": partial(ask, ours.port, more=with_big),
        }
        found = rounds.run(turns)
    p99 = {name: [one["small"]["p99_ms"] for one in reports] for name, reports in found.items()}
    alone, beside = p99["through, small alone"], p99["through, beside large"]
    own = [b - a for a, b in zip(p99["direct, small alone"], p99["direct, beside large"], strict=True)]
    added = [b - a - max(0.0, rig) for a, b, rig in zip(alone, beside, own, strict=True)]
    rows = (
        *(row(f"{name}: p99 of the small", values, "ms") for name, values in p99.items()),
        row("large ones add to the p99 of small ones, without what the rig adds", added, "ms", Goal("<=", ADDED_MS)),
    )
    return Section("bodies", f"{TITLE}, {per_s:g} requests a second", rows, rounds.warnings())

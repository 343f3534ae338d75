"""What an event of a stream costs beside the least proxy in Python, and what the first one waits.

Every stream is looked at: each event comes once, in its order, in a chunk of its own, byte for byte as it was sent.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from benchmarks.rig import processes, subjects
from benchmarks.rig.rounds import Options, Rounds, inside, scratch
from benchmarks.rig.stats import ratios
from benchmarks.rig.stream_run import Streamed, streamed
from benchmarks.rig.table import Goal, Row, Section, row

TITLE = "Streamed chats"
STREAMS, PER_S = 500, 50
TO_SPLICE, FIRST_P50_MS, FIRST_P99_MS = 1.5, 0.4, 2.0


def measure(options: Options) -> Section:
    streams, events, rounds = options.count(STREAMS, 50), options.count(250, 75), Rounds(options.rounds)
    with scratch() as folder, ExitStack() as stack:
        core = processes.cores()
        port = stack.enter_context(subjects.mock(folder, "--per-s", str(PER_S), "--events", str(events)))
        start = subjects.gateway("gateway", inside(folder, "gateway"), port, subjects.GOVERNED, core=core.subject)
        ours = stack.enter_context(start)
        splice = stack.enter_context(subjects.splice(folder, port))
        nginx = stack.enter_context(subjects.nginx("proxy", folder, core=core.subject, upstream_port=port))
        for subject in (ours, splice, nginx):
            subjects.check(subject, subjects.STREAM)
        count = partial(
            streamed, load=subjects.STREAM, folder=folder, streams=streams, events=events, for_s=options.of(5.0, 1.5),
            over_s=events / PER_S,  # so that in every moment as many begin as end
        )  # fmt: skip
        found = rounds.run({
            "direct": partial(count, port),
            "gateway": partial(count, ours.port, pid=ours.child.pid),
            "splice": partial(count, splice.port, pid=splice.child.pid),
            "nginx": partial(count, nginx.port, pid=nginx.child.pid),
        })  # fmt: skip
    return Section(
        "streams", f"{TITLE}: {streams} at once, {PER_S} events a second each", _rows(found), _notes(found, rounds)
    )


def _rows(found: dict[str, list[Streamed]]) -> tuple[Row, ...]:
    cost = {name: [one.per_event_us for one in found[name]] for name in ("gateway", "splice", "nginx")}
    firsts = {share: _added(found, share) for share in ("first_p50_ms", "first_p99_ms")}
    return (
        *(row(f"{name}: processor time of an event", values, "µs") for name, values in cost.items()),
        row("gateway / splice", ratios(cost["gateway"], cost["splice"]), "", Goal("<=", TO_SPLICE)),
        row("gateway / nginx", ratios(cost["gateway"], cost["nginx"])),
        row("first event, p50 direct", [one.first_p50_ms for one in found["direct"]], "ms"),
        row("first event, p50 added", firsts["first_p50_ms"], "ms", Goal("<=", FIRST_P50_MS)),
        row("first event, p99 added", firsts["first_p99_ms"], "ms", Goal("<=", FIRST_P99_MS)),
        row("chunks for an event", [one.chunks_per_event for one in found["gateway"]], "", Goal("<=", 1.0)),
        row("events a second through the gateway", [one.per_s for one in found["gateway"]]),
    )


def _added(found: dict[str, list[Streamed]], share: str) -> list[float]:
    pairs = zip(found["direct"], found["gateway"], strict=True)
    return [getattr(through, share) - getattr(direct, share) for direct, through in pairs]


def _notes(found: dict[str, list[Streamed]], rounds: Rounds) -> tuple[str, ...]:
    compared = sum(one.streams for one in found["gateway"])
    direct, through = (sum(one.per_s for one in found[name]) / len(found[name]) for name in ("direct", "gateway"))
    notes = [f"{compared:,} whole streams of the gateway's were what the mock had sent, byte for byte"]
    if through < 0.9 * direct:
        notes.append(
            f"the gateway was at its limit, {through:,.0f} events a second of {direct:,.0f}: firsts show a queue"
        )
    return (*notes, *rounds.warnings())

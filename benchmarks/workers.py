"""How much more two workers do than one, with limits that they share in Redis.

With as many cores as workers and load want, this is throughput. On two cores the load takes its part of both, so it is
counted in processor time: what one process pays for a request, by what the busier of two pays of its share of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.rig import processes, subjects, tools
from benchmarks.rig.rounds import Options, Rounds, inside, scratch
from benchmarks.rig.subjects import Subject
from benchmarks.rig.table import Goal, Section, row
from benchmarks.rig.wrk import closed_loop

TITLE = "Two workers, limits in Redis"
TIMES = 1.8
CONNECTIONS = 128  # the kernel deals them out by chance: few would be dealt unevenly


def measure(options: Options) -> Section:
    rounds = Rounds(options.rounds)
    with scratch() as folder, ExitStack() as stack:
        core = processes.cores()
        mock = stack.enter_context(subjects.nginx("mock", folder, core=core.load))
        redis_port = stack.enter_context(_redis(folder))
        running = {}
        for count in (1, 2):
            start = subjects.gateway(
                f"gateway-{count}",
                inside(folder, f"workers-{count}"),
                mock.port,
                _routes(count, redis_port),
                core=_cores(count),
            )
            running[count] = stack.enter_context(start)
            subjects.check(running[count])
        for_s = options.of(5.0, 1.0)
        found = rounds.run({str(count): partial(_busiest_us, one, folder, for_s) for count, one in running.items()})
    one, two = found["1"], found["2"]
    times = [one_us / busier_us for (one_us, _), (busier_us, _) in zip(one, two, strict=True)]
    rows = (
        row("one worker: processor time of a request", [busiest for busiest, _ in one], "µs"),
        row("two workers: processor time of a request, both", [whole for _, whole in two], "µs"),
        row("two workers can do so many times what one can", times, "", Goal(">=", TIMES)),
    )
    return Section("workers", TITLE, rows, rounds.warnings())


def _busiest_us(subject: Subject, folder: Path, for_s: float) -> tuple[float, float]:
    """Return microseconds of the busiest process for each request of all, and of the whole tree."""
    pids = processes.tree(subject.child.pid)
    before = {pid: processes.own_processor_s(pid) for pid in pids}
    seen = closed_loop(subject.port, subject.load, folder, connections=CONNECTIONS, for_s=for_s)
    if seen.failed or seen.cut:
        raise RuntimeError(f"{seen.failed} failed, {seen.cut} were cut; {subject.child.said()[-800:]}")
    used_us = [(processes.own_processor_s(pid) - before[pid]) * 1e6 / seen.requests for pid in pids]
    return max(used_us), sum(used_us)


def _cores(count: int) -> int | list[int] | None:
    usable = sorted(os.sched_getaffinity(0))
    return processes.cores().subject if count == 1 else usable[-count:]


def _routes(workers: int, redis_port: int) -> str:
    return subjects.GOVERNED.replace("log_level: info", f"log_level: info, workers: {workers}").replace(
        "stores: {", f'stores: {{redis_url: "redis://127.0.0.1:{redis_port}/0", '
    )


@contextmanager
def _redis(folder: Path) -> Iterator[int]:
    port = processes.free_port()
    command = [
        tools.debian("redis-server"),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with processes.child("redis", command, folder, core=processes.cores().load) as running:
        processes.wait_for_port(port, running)
        yield port

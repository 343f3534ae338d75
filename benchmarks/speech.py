"""How much speech passes for a second of processor time, beside nginx, and what clients that stop reading hold."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.rig import processes, subjects, wire
from benchmarks.rig.cost import cost
from benchmarks.rig.rounds import Options, Rounds, inside, scratch
from benchmarks.rig.stats import ratios
from benchmarks.rig.subjects import Subject
from benchmarks.rig.table import Goal, Section, row

TITLE = "Speech: answers of 1 MB, 32 at once"
AT_ONCE, ANSWER_BYTES = 32, 1_000_000
TO_NGINX = 0.6
STALLED, STALLED_BYTES = 64, 32_000_000
STALLED_MB = 2.0  # of 32 that it could hold; of the gateway's memory for each client that has stopped reading
SETTLED_S = 1.0  # without growth
GIVE_UP_S = 30.0


def measure(options: Options) -> Section:
    rounds = Rounds(options.rounds)
    with scratch() as folder, ExitStack() as stack:
        core = processes.cores()
        port = stack.enter_context(subjects.mock(folder, "--audio-bytes", str(ANSWER_BYTES)))
        running: dict[str, Subject] = {}
        start = subjects.gateway(
            "gateway", inside(folder, "gateway"), port, subjects.GOVERNED, core=core.subject, load=subjects.SPEECH
        )
        running["gateway"] = stack.enter_context(start)
        running["nginx"] = stack.enter_context(subjects.nginx("proxy", folder, core=core.subject, upstream_port=port))
        for subject in running.values():
            if len(subjects.check(subject, subjects.SPEECH)) != ANSWER_BYTES:
                raise RuntimeError(f"{subject.name} did not answer with the whole of the audio")
        for_s = options.of(4.0, 1.0)
        found = rounds.run({
            name: partial(cost, subject, folder, for_s, connections=AT_ONCE, load=subjects.SPEECH)
            for name, subject in running.items()
        })  # fmt: skip
        stalled_mb = stalled(options, inside(folder, "stalled"))
    rates = {name: [one.mb_per_processor_s for one in costs] for name, costs in found.items()}
    rows = (
        *(row(f"{name}: MB for a second of processor time", values, "MB/s") for name, values in rates.items()),
        row("gateway / nginx", ratios(rates["gateway"], rates["nginx"]), "", Goal(">=", TO_NGINX)),
        row("memory for a client that stopped reading 32 MB", [stalled_mb], "MB", Goal("<=", STALLED_MB)),
    )
    return Section("speech", TITLE, rows, rounds.warnings())


def stalled(options: Options, folder: Path) -> float:
    """Return by how many MB the gateway grows for each client that asks for 32 MB and reads none of it."""
    count = options.count(STALLED, 8)
    with subjects.mock(folder, "--audio-bytes", str(STALLED_BYTES)) as port:
        start = subjects.gateway(
            "gateway", folder, port, subjects.GOVERNED, core=processes.cores().subject, load=subjects.SPEECH
        )
        with start as ours, ExitStack() as clients:
            subjects.check(ours)
            before_mb = processes.resident_mb(ours.child.pid)
            for _ in range(count):
                clients.enter_context(_asked(ours))
            return (_settled_mb(ours) - before_mb) / count


def _asked(subject: Subject) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client.connect(("127.0.0.1", subject.port))
    client.sendall(wire.request(subjects.SPEECH.path, subjects.SPEECH.body.encode(), dict(subjects.SPEECH.headers)))
    return client


def _settled_mb(subject: Subject) -> float:
    """Return its memory once it no longer grows."""
    highest, since_s, began_s = 0.0, time.monotonic(), time.monotonic()
    while time.monotonic() - since_s < SETTLED_S and time.monotonic() - began_s < GIVE_UP_S:
        if (now_mb := processes.resident_mb(subject.child.pid)) > highest + 0.2:
            highest, since_s = now_mb, time.monotonic()
        time.sleep(0.05)
    return highest

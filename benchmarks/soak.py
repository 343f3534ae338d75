"""Half a million chats of which one in a hundred meets each fault of a vendor.

Whether memory, descriptors and what is under way stay as they were.
"""

from __future__ import annotations

import http.client
import re
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.rig import processes, subjects
from benchmarks.rig.mock import FAULTS
from benchmarks.rig.rounds import Options, inside, scratch
from benchmarks.rig.subjects import Subject
from benchmarks.rig.table import Goal, Section, row
from benchmarks.rig.wrk import closed_loop

REQUESTS = 500_000
WARM_UP = 0.1  # of them
GROWTH_MB = 5.0
ERRORS_PERCENT = 0.1  # three attempts that all meet a fault: 0.07³, 0.034 %
CONNECTIONS = 64  # some of them wait for another attempt
DESCRIPTORS = 16  # connections to the vendor that may be kept or not; what leaks would be thousands
LOOK_S = 10.0
QUIET_S = 3.0  # after which nothing is under way any more
FIRST_BYTE_S = 0.5  # below the mock's stall


def measure(options: Options) -> Section:
    requests = options.count(REQUESTS, 3_000)
    with scratch() as folder, ExitStack() as stack:
        port = stack.enter_context(subjects.mock(folder, "--faults", "100"))
        routes = subjects.GOVERNED.replace(
            "    dialect: openai.chat\n", "    dialect: openai.chat\n    failover: {attempts: 3}\n", 1
        )
        start = subjects.gateway(
            "gateway",
            inside(folder, "gateway"),
            port,
            routes,
            core=processes.cores().subject,
            first_byte_s=FIRST_BYTE_S,
        )
        ours = stack.enter_context(start)
        look_s = options.of(LOOK_S, 1.0)
        warm, warm_failed = _load(ours, folder, int(requests * WARM_UP), look_s)
        time.sleep(QUIET_S)
        before = _state(ours)
        done, failed = _load(ours, folder, requests - warm, look_s)
        time.sleep(QUIET_S)
        after = _state(ours)
    growth = [b - a for a, b in zip(before, after, strict=True)]
    rows = (
        row("requests", [float(warm + done)]),
        row("answered with an error", [100 * (failed + warm_failed) / (warm + done)], "%", Goal("<=", ERRORS_PERCENT)),
        row("memory after the warm-up", [before[0]], "MB"),
        row("its growth since", [growth[0]], "MB", Goal("<=", GROWTH_MB)),
        row("descriptors more", [growth[1]], "", Goal("<=", DESCRIPTORS)),
        row("calls under way more", [growth[2]], "", Goal("<=", 0)),
    )
    return Section("soak", f"Soak, {len(FAULTS)} faults, each of 1 % of the requests", rows)


def _load(subject: Subject, folder: Path, requests: int, look_s: float) -> tuple[int, int]:
    """Ask at least so often; return how often it was, and how often the answer was an error."""
    done = failed = 0
    while done < requests:
        seen = closed_loop(subject.port, subject.load, folder, connections=CONNECTIONS, for_s=look_s)
        if not seen.requests or subject.child.process.poll() is not None:
            raise RuntimeError(f"the gateway stopped answering: {subject.child.said()[-800:]}")
        done, failed = done + seen.requests, failed + seen.failed
    return done, failed


def _state(subject: Subject) -> tuple[float, float, float]:
    """Return resident MB, descriptors, and calls under way."""
    connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=30)
    connection.request("GET", "/metrics", headers=dict(subject.load.headers))
    page = connection.getresponse().read().decode()
    connection.close()
    under_way = sum(
        float(found) for found in re.findall(r"^gateway_requests_in_flight\S*(?: |\{.*\} )([\d.e+]+)$", page, re.M)
    )
    pid = subject.child.pid
    return processes.resident_mb(pid), float(processes.descriptors(pid)), under_way

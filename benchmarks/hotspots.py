"""Where the processor time of a whole chat goes, everything on.

    python -m benchmarks.hotspots --plain --for-s 20

A sampling profiler looks 200 times a second; the native code of libraries counts for the Python line that called it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from benchmarks.rig import processes, subjects, tools, wire
from benchmarks.rig.cost import cost
from benchmarks.rig.rounds import inside, scratch

PER_S = 200
SHOWN = 40
LOOP = "BaseEventLoop._run_once"  # other threads mostly wait, which a sampler cannot always tell from work
LIBRARIES = ("asyncio/", "aiohttp/", "multidict/", "yarl/", "prometheus_client/", "concurrent/", "<")


@dataclass(slots=True)
class Shares:
    """Samples of the event loop's thread by function itself, by function with what it calls, and by file of ours."""

    own: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)  # each with what it calls in libraries


def shares(lines: Iterable[str]) -> Shares:
    """Return how the samples are shared out, of lines as `outer (file:1);inner (file:2) 12`."""
    found = Shares()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if not any(frame.startswith(LOOP) for frame in frames):
            continue
        found.own[frames[-1]] += int(count)
        found.files[_owner(frames)] += int(count)
        for frame in set(frames):
            found.whole[frame] += int(count)
    return found


def _owner(frames: Sequence[str]) -> str:
    """Return the file that asked for what runs: ours, else which part of a library called us or works by itself."""
    files = [frame.rpartition("(")[2].partition(":")[0] for frame in frames]
    inner = next((at for at in range(len(files) - 1, -1, -1) if _is_ours(files[at])), -1)
    client = any(name.startswith(("aiohttp/client", "aiohttp/connector")) for name in files[inner + 1 :])
    if client:
        return "aiohttp, as a client"
    if inner >= 0 and not files[inner].endswith("cli/run.py"):
        return files[inner]
    return "aiohttp, as a server" if any(name.startswith("aiohttp/") for name in files) else "asyncio"


def _is_ours(name: str) -> bool:
    return "/" in name and not name.startswith((*LIBRARIES, "click/"))


def main() -> int:
    parser = argparse.ArgumentParser(description="profile a whole chat")
    parser.add_argument("--plain", action="store_true", help="with everything off")
    parser.add_argument("--stream", action="store_true", help="a stream in place of a whole answer")
    parser.add_argument("--body-kb", type=int, default=1, help="of the text that is sent")
    parser.add_argument("--for-s", type=int, default=15)
    options = parser.parse_args()
    routes = subjects.PLAIN if options.plain else subjects.GOVERNED
    load = subjects.STREAM if options.stream else subjects.CHAT
    load = replace(load, body=load.body.replace(wire.SAID, wire.SAID * options.body_kb))
    with scratch() as folder, ExitStack() as stack:
        core = processes.cores()
        port = stack.enter_context(subjects.mock(folder, "--per-s", "1000"))
        if not options.stream:
            port = stack.enter_context(subjects.nginx("mock", folder, core=core.load)).port
        start = subjects.gateway("gateway", inside(folder, "gateway"), port, routes, core=core.subject)
        gateway = stack.enter_context(start)
        connections = 16 if options.body_kb < 100 else 1
        cost(gateway, folder, 3, load=load, connections=connections)  # for warming up
        spying = subprocess.Popen(
            [
                tools.py_spy(), "record", "--pid", str(gateway.child.pid), "--rate", str(PER_S), "--duration",
                str(options.for_s), "--format", "raw", "--output", folder / "raw", "--function",
            ], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        before_s = processes.main_thread_s(gateway.child.pid)
        found = cost(gateway, folder, options.for_s, load=load, connections=connections)
        loop_us = (processes.main_thread_s(gateway.child.pid) - before_s) / found.seen.requests * 1e6
        spying.wait()
        shared = shares((folder / "raw").read_text().splitlines())
    total = sum(shared.own.values())
    print(
        f"{found.per_request_us:.0f} µs a request while watched, of which {loop_us:.0f} in the event loop's thread; "
        f"{total} samples"
    )
    for title, counted in (
        ("of that thread, by file with the libraries that it calls", shared.files),
        ("by function with what it calls", shared.whole),
        ("by function itself", shared.own),
    ):
        print(f"\n{title}:")
        for name, count in counted.most_common(SHOWN):
            print(f"  {count / total:6.1%}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Processes that are pinned to a core, and what their whole trees use: processor time, memory, descriptors."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
GIVE_UP_S = 60.0  # a large peer on a busy machine takes long to start
STOP_S = 10.0
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the measured process runs, and where what loads it does; None where the machine has one core only."""

    subject: int | None
    load: int | None


def cores() -> Cores:
    """Return the last core for what is measured and the first one for the load."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(usable[-1], usable[0]) if len(usable) > 1 else Cores(None, None)


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, give_up_s: float = GIVE_UP_S) -> re.Match[str]:
        """Return what its output matches. Raises RuntimeError with the end of it where there is none."""
        until_s = time.monotonic() + give_up_s
        while time.monotonic() < until_s:
            if found := re.search(pattern, self.said()):
                return found
            if self.process.poll() is not None:
                break
            time.sleep(POLL_S)
        raise RuntimeError(f"{self.name} did not say {pattern!r}; its last words: {self.said()[-1500:]}")


@contextmanager
def child(
    name: str, command: Sequence[str | Path], folder: Path, *, core: int | Sequence[int] | None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Child]:  # fmt: skip
    """Run a program in `folder` on one core or several, with no environment but `environ`; end it afterwards.

    What it prints goes to a file, so that no pipe fills.
    """
    log = folder / f"{name}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*on(core), *map(str, command)], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1", **(environ or {})},
        )  # fmt: skip
    try:
        yield Child(name, process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def on(core: int | Sequence[int] | None) -> list[str]:
    """Return what goes before a command so that it runs on a core, or some; nothing for None."""
    if core is None:
        return []
    return ["taskset", "-c", ",".join(map(str, [core] if isinstance(core, int) else core))]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(port: int, of: Child) -> None:
    """Wait until somebody accepts connections there. Raises RuntimeError where the process ends before."""
    until_s = time.monotonic() + GIVE_UP_S
    while time.monotonic() < until_s and of.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(5 * POLL_S)
    raise RuntimeError(f"{of.name} does not listen; its last words: {of.said()[-1500:]}")


# ---------------------------------------------------------------- what a tree uses


def tree(pid: int) -> list[int]:
    """Return the process and all that descend from it."""
    found = [pid]
    for one in found:  # grows while it is walked
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child_pid) for child_pid in task.read_text().split()]
            except FileNotFoundError:
                continue
    return found


def processor_s(pid: int) -> float:
    """Return what all threads of the whole tree have used since they began, the ended children among them."""
    return sum(own_processor_s(one) for one in tree(pid))


def own_processor_s(pid: int) -> float:
    """The same of one process and its ended children; proc(5), fields 14 to 17."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) * TICK_S


def main_thread_s(pid: int) -> float:
    """Return what the first thread of one process has used: the event loop's, of the gateway's."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:13]) * TICK_S


def resident_mb(pid: int) -> float:
    """Return the resident memory of the whole tree in MB of 10^6 bytes, shared pages once for each process."""
    total_kb = 0
    for one in tree(pid):
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text(), re.MULTILINE)
        total_kb += int(found[1]) if found else 0
    return total_kb * 1024 / 1e6


def descriptors(pid: int) -> int:
    """Return how many descriptors the whole tree has open."""
    return sum(len(os.listdir(f"/proc/{one}/fd")) for one in tree(pid))

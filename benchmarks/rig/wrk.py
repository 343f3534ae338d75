"""A closed loop: so many connections ask as soon as they are answered. wrk does it: it costs little beside servers."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig import processes, tools

_SCRIPT = """
wrk.method = "POST"
wrk.body = {body}
{headers}
function done(summary, latency, requests)
  local e = summary.errors
  local text = 'RESULT {{"requests": %d, "took_us": %d, "bytes": %d, "failed": %d, "cut": %d'
  io.write(string.format(text .. ', "p50_us": %d, "p99_us": %d}}\\n',
    summary.requests, summary.duration, summary.bytes, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Closed:
    """What a closed loop saw. `failed` had a status of 400 or more, `cut` no answer."""

    requests: int
    took_s: float
    received_bytes: int
    failed: int
    cut: int
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        return self.requests / self.took_s


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked: the path, the body, and the headers beside its type."""

    path: str
    body: str
    headers: tuple[tuple[str, str], ...] = ()


def closed_loop(port: int, load: Load, folder: Path, *, connections: int, for_s: float) -> Closed:
    """Ask for so long, in whole seconds, from the load's core. Raises RuntimeError where wrk says nothing of it."""
    script = folder / "load.lua"
    headers = {"content-type": "application/json", **dict(load.headers)}
    script.write_text(
        _SCRIPT.format(
            body=_quoted(load.body),
            headers="\n".join(f"wrk.headers[{_quoted(name)}] = {_quoted(value)}" for name, value in headers.items()),
        )
    )
    command = [
        *processes.on(processes.cores().load), tools.debian("wrk"), "-t1", f"-c{connections}",
        f"-d{max(1, round(for_s))}s", "--timeout", "30s", "-s", str(script), f"http://127.0.0.1:{port}{load.path}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RuntimeError(f"wrk said {done.stdout[-500:]}{done.stderr[-500:]}")
    return parsed(line)


def parsed(line: str) -> Closed:
    """Return what the line that the script prints says."""
    found = json.loads(line.removeprefix("RESULT "))
    return Closed(
        found["requests"], found["took_us"] / 1e6, found["bytes"], found["failed"], found["cut"],
        found["p50_us"] / 1000, found["p99_us"] / 1000,
    )  # fmt: skip


def _quoted(text: str) -> str:
    """Return it as a string of Lua's; JSON's escapes of what stands here are the same."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

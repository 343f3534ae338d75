"""Measure what an operator waits for, and print each number beside its promise: start, resident memory, checking.

    python benchmarks/start.py            also `make bench`; exits 1 where a promise is not kept

Everything runs as a user runs it: the real process, the default YAML, no vendor's key, a free port, over a socket.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
STARTS = 7  # odd, for a median; one slow start on a busy machine does not count
CHECKS = 5
REQUESTS = 100
ROUTES = 500
GIVE_UP_S = 15.0
LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Measure:
    name: str
    value: float
    promise: float
    unit: str

    @property
    def is_kept(self) -> bool:
        return self.value <= self.promise

    def __str__(self) -> str:
        verdict = "kept" if self.is_kept else "NOT KEPT"
        return f"{self.name:<44}{self.value:>8.2f} {self.unit:<3} promised <= {self.promise:g} {self.unit:<3} {verdict}"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        files = copy_defaults(Path(folder))
        model = first_chat_model(files[0])
        starts = [start_to_first_answer_s(files, model) for _ in range(STARTS)]
        resident_mb = resident_after_requests_mb(files, model)
        add_routes(files[0])
        checks = [check_s(files) for _ in range(CHECKS)]
    measures = [
        Measure(f"start to first answer (median of {STARTS})", statistics.median(starts), 0.6, "s"),
        Measure(f"resident memory after {REQUESTS} requests", resident_mb, 80, "MB"),
        Measure(f"gateway check, {ROUTES} more routes (median of {CHECKS})", statistics.median(checks), 0.5, "s"),
    ]
    print(*measures, sep="\n")
    return 0 if all(measure.is_kept for measure in measures) else 1


# ---------------------------------------------------------------- the files


def copy_defaults(folder: Path) -> tuple[Path, Path]:
    """Copy (routes.yaml, providers.yaml) to where no .env of the operator's lies beside them."""
    copies = folder / "routes.yaml", folder / "providers.yaml"
    for copy in copies:
        copy.write_text((ROOT / copy.name).read_text())
    return copies


def first_chat_model(routes: Path) -> str:
    models: dict[str, Any] = yaml.safe_load(routes.read_text())["models"]
    return next(name for name, row in models.items() if row.get("operation") == "chat" and "*" not in name)


def add_routes(routes: Path) -> None:
    """Add ROUTES copies of the chat route, each at a path of its own."""
    content = yaml.safe_load(routes.read_text())
    chat = next(row for row in content["routes"] if row["path"] == "/v1/chat/completions")
    content["routes"] += [{**chat, "path": f"/team-{number}/chat"} for number in range(ROUTES)]
    routes.write_text(yaml.safe_dump(content, sort_keys=False))


# ---------------------------------------------------------------- the process


def environment() -> dict[str, str]:
    """A bare environment: a vendor's key would turn a provider on, and the numbers would be the network's."""
    limits = {
        "RATE_LIMIT_PER_MINUTE": "100000",
        "RATE_LIMIT_PER_HOUR": "100000",
    }  # the default refuses the 61st request
    quiet = {"PYTHONUNBUFFERED": "1", "LOG_LEVEL": "warning"}
    return {"PATH": os.environ["PATH"], "GATEWAY_LISTEN": "127.0.0.1:0", **quiet, **limits}


@contextmanager
def gateway(files: tuple[Path, Path]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the gateway; yields (process, port) as soon as it says that it listens."""
    command = [sys.executable, "-m", "gateway", "run", "--routes", str(files[0]), "--providers", str(files[1])]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        yield process, listening_port(process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=GIVE_UP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def listening_port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        if found := LISTENING.search(line):
            return int(found[1])
        said.append(line)
    raise SystemExit(f"the gateway ended with {process.wait()} before it listened:\n{''.join(said)}")


def ask(port: int, model: str) -> None:
    """One chat completion. Raises ConnectionError while nobody listens yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
    try:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}]})
        connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise SystemExit(f"{model} answered {response.status}: {answer[:500].decode(errors='replace')}")


# ---------------------------------------------------------------- the measures


def start_to_first_answer_s(files: tuple[Path, Path], model: str) -> float:
    started_s = time.perf_counter()
    with gateway(files) as (_, port):
        while True:
            try:
                ask(port, model)
            except ConnectionError:
                if time.perf_counter() - started_s > GIVE_UP_S:
                    raise
                time.sleep(0.002)
            else:
                return time.perf_counter() - started_s


def resident_after_requests_mb(files: tuple[Path, Path], model: str) -> float:
    """Resident memory of the gateway's own process; workers for local speech are processes of their own."""
    with gateway(files) as (process, port):
        for _ in range(REQUESTS):
            ask(port, model)
        status = Path(f"/proc/{process.pid}/status").read_text()
    resident_kb = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert resident_kb is not None
    return int(resident_kb[1]) / 1024


def check_s(files: tuple[Path, Path]) -> float:
    started_s = time.perf_counter()
    command = [sys.executable, "-m", "gateway", "check", *map(str, files)]
    result = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    elapsed_s = time.perf_counter() - started_s
    if result.returncode != 0:
        raise SystemExit(f"gateway check: {result.stdout[-2000:]}{result.stderr[-2000:]}")
    return elapsed_s


if __name__ == "__main__":
    sys.exit(main())

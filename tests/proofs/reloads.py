"""Reload under load: no request fails, no stream is cut, no answer mixes two configurations, nothing is left behind.

    python -m tests.proofs.reloads                       # 100 reloads, 200,000 requests, 100 open streams
    python -m tests.proofs.reloads --workers 2           # the same with several processes

Every reload serves the model by another target, so that an answer of one configuration with the other's target shows.
The clients share the machine with the gateway, so the times are those of a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness import ROUTES, SANDBOX, Process, process

CHAT = "/v1/chat/completions"
ASK = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
PROVIDERS = SANDBOX + "      slow: {operation: chat, options: {tokens_per_s: 12}}\n      other: {operation: chat}\n"
STREAM_WORDS = 24  # two seconds and more
CLIENTS = 16
NEAR_S = 0.3  # a request that ended so long after a reload began was answered during it
SETTLING = 0.2  # the share of the reloads after which memory is taken as the base: caches find their size
WAIT_S = 30.0


@dataclass
class Outcome:
    requests: int = 0
    streams: int = 0
    failed: list[str] = field(default_factory=list)
    cut: int = 0
    answered_by: dict[int, set[str]] = field(default_factory=dict)  # number of the configuration -> models
    near_s: list[float] = field(default_factory=list)  # how long requests took during reloads
    steady_s: list[float] = field(default_factory=list)  # and otherwise
    growth_mb: float = 0.0
    descriptors: int = 0

    @property
    def mixed(self) -> int:
        """Configurations that were answered by what is not theirs."""
        return sum(models != {model_of(number)} for number, models in self.answered_by.items())

    @property
    def is_kept(self) -> bool:
        return not self.failed and not self.cut and not self.mixed

    def __str__(self) -> str:
        p99s = [
            sorted(values)[int(len(values) * 0.99)] * 1000 if values else 0.0 for values in (self.steady_s, self.near_s)
        ]
        return (
            f"{self.requests:,} requests, {self.streams:,} streams, {len(self.answered_by)} configurations: "
            f"{len(self.failed)} failed, {self.cut} cut, {self.mixed} mixed; "
            f"p99 {p99s[0]:.1f} ms, during a reload {p99s[1]:.1f} ms; "
            f"memory {self.growth_mb:+.1f} MB, descriptors {self.descriptors:+d}"
        )


def model_of(number: int) -> str:
    """Return which target serves by the configuration of that number; the first is 1."""
    return "chat" if number % 2 else "other"


def routes(number: int, workers: int) -> str:
    text = ROUTES.replace("models:\n", "models:\n  slow: {operation: chat, targets: [sandbox/slow]}\n", 1)
    text = text.replace('"127.0.0.1:0"', f'"127.0.0.1:0", workers: {workers}, log_level: info')
    return text.replace("[sandbox/chat]", f"[sandbox/{model_of(number)}]")


class Load:
    """Clients that ask, and streams that are opened anew when they end, as long as it lasts."""

    def __init__(self, http: aiohttp.ClientSession, gateway: Process) -> None:
        self.outcome = Outcome()
        self.reload_began_s = -NEAR_S
        self._http = http
        self._gateway = gateway
        self._is_over = asyncio.Event()

    @asynccontextmanager
    async def running(self, streams: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ask()) for _ in range(CLIENTS)]
        tasks += [asyncio.create_task(self._stream()) for _ in range(streams)]
        try:
            yield
        finally:
            self._is_over.set()
            await asyncio.gather(*tasks)

    async def until(self, requests: int) -> None:
        while self.outcome.requests < requests:  # a count
            await asyncio.sleep(0.01)

    async def _ask(self) -> None:
        outcome = self.outcome
        while not self._is_over.is_set():
            began_s = time.perf_counter()
            try:
                async with self._http.post(self._gateway.url + CHAT, json=ASK) as response:
                    answer: dict[str, Any] = await response.json()
                    number = int(response.headers["x-gateway-config"].partition("-")[0])
                    outcome.answered_by.setdefault(number, set()).add(str(answer["model"]))
            except (aiohttp.ClientError, KeyError, ValueError) as error:
                outcome.failed.append(repr(error))
            now_s = time.perf_counter()
            is_near = now_s - self.reload_began_s < NEAR_S or began_s < self.reload_began_s < now_s
            (outcome.near_s if is_near else outcome.steady_s).append(now_s - began_s)
            outcome.requests += 1

    async def _stream(self) -> None:
        body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "word " * STREAM_WORDS}]}
        while not self._is_over.is_set():
            try:
                async with self._http.post(self._gateway.url + CHAT, json=body) as response:
                    text = await response.text()
                    self.outcome.cut += not text.endswith("data: [DONE]\n\n")
            except aiohttp.ClientError:
                self.outcome.cut += 1
            self.outcome.streams += 1


async def run(folder: Path, *, reloads: int, requests: int, streams: int, workers: int = 1) -> Outcome:
    async with (
        process(folder, PROVIDERS, routes(1, workers)) as gateway,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        load = Load(http, gateway)
        base = 0.0, 0
        async with load.running(streams):
            for number in range(1, reloads + 1):
                await load.until(requests * number // (reloads + 1))
                gateway.write(routes=routes(number + 1, workers))
                await reloaded(gateway, load, number + 1, workers)
                if number == max(1, int(reloads * SETTLING)):
                    base = await at_rest(gateway)
            await load.until(requests)
            end = await at_rest(gateway)
        load.outcome.growth_mb, load.outcome.descriptors = end[0] - base[0], end[1] - base[1]
        return load.outcome


async def reloaded(gateway: Process, load: Load, number: int, workers: int) -> None:
    """Send SIGHUP, and wait until all serve by the configuration of that number."""
    start = len(gateway.log)
    wanted = f"configuration {number}-" if workers > 1 else f"reload applied: configuration {number}-"
    load.reload_began_s = time.perf_counter()
    gateway.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(WAIT_S):
        await gateway.wait_for_log(lambda line: str(line["message"]).startswith(wanted), start)


async def at_rest(gateway: Process) -> tuple[float, int]:
    """Return the memory in MB and the open descriptors of the process: the fewest that are seen under the same load."""
    seen = []
    for _ in range(20):
        seen.append(len(os.listdir(f"/proc/{gateway.process.pid}/fd")))
        await asyncio.sleep(0.01)
    return gateway.rss_bytes() / 1_048_576, min(seen)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("reloads", 100), ("requests", 200_000), ("streams", 100), ("workers", 1)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-reloads-") as folder:
        outcome = asyncio.run(
            run(
                Path(folder),
                reloads=given.reloads,
                requests=given.requests,
                streams=given.streams,
                workers=given.workers,
            )
        )
    print(outcome)
    print(*outcome.failed[:5], sep="\n")
    return 0 if outcome.is_kept else 1


if __name__ == "__main__":
    sys.exit(main())

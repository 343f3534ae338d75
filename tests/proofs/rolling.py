"""Restart three gateways behind HAProxy, one after the other, while clients ask and streams are open: nobody notices.

    python -m tests.proofs.rolling                       # 50 restarts, each of a whole process

A restart is SIGTERM, a drain, a new process on the same port, and its readiness seen by HAProxy.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.harness import ROUTES, SANDBOX, Process, process
from tests.proofs.haproxy import CHECK_MS, FALLS, free_port, haproxy

CHAT = "/v1/chat/completions"
ASK = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
PROVIDERS = SANDBOX + "      slow: {operation: chat, options: {tokens_per_s: 6}}\n"
CLIENTS = 8
GRACE_S = 1.5  # several times what HAProxy needs to see it, since a busy machine delays its checks
assert CHECK_MS * FALLS < GRACE_S * 1000


@dataclass
class Outcome:
    requests: int = 0
    streams: int = 0
    restarts: int = 0
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        done = f"{self.restarts} restarts, {self.requests:,} requests, {self.streams:,} streams"
        return f"{done}: {len(self.failed)} failed or cut"


class Fleet:
    """Three gateways, each in a folder and on a port of its own, of which one at a time is replaced."""

    def __init__(self, folder: Path) -> None:
        self.ports = [free_port() for _ in range(3)]
        self._folder = folder
        self._running: list[AsyncExitStack | None] = [None] * 3
        self._processes: list[Process | None] = [None] * 3

    async def start(self, at: int) -> None:
        routes = ROUTES.replace("models:\n", "models:\n  slow: {operation: chat, targets: [sandbox/slow]}\n", 1)
        server = f'"127.0.0.1:{self.ports[at]}", shutdown_grace_s: {GRACE_S}, log_level: warning'
        folder = self._folder / str(at)
        folder.mkdir(exist_ok=True)
        stack = AsyncExitStack()
        running = process(folder, PROVIDERS, routes.replace('"127.0.0.1:0"', server))
        self._processes[at] = await stack.enter_async_context(running)
        self._running[at] = stack

    async def restart(self, at: int) -> None:
        await self.stop(at)
        await self.start(at)

    async def stop(self, at: int) -> None:
        gateway, stack = self._processes[at], self._running[at]
        if gateway is None or stack is None:
            return
        code = await gateway.stop(timeout_s=30)
        await stack.aclose()
        self._processes[at] = self._running[at] = None
        if code != 0:
            raise AssertionError(f"gateway {at} ended with {code}")


class Load:
    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.outcome = Outcome()
        self.is_over = asyncio.Event()
        self._http = http
        self._url = url

    async def ask(self) -> None:
        while not self.is_over.is_set():
            try:
                async with self._http.post(self._url + CHAT, json=ASK) as response:
                    await response.read()
                    if response.status != 200:
                        self.outcome.failed.append(f"{response.status}")
            except aiohttp.ClientError as error:
                self.outcome.failed.append(repr(error))
            self.outcome.requests += 1
            await asyncio.sleep(0.005)

    async def stream(self) -> None:
        while not self.is_over.is_set():
            try:
                async with self._http.post(self._url + CHAT, json=ASK | {"model": "slow", "stream": True}) as response:
                    text = await response.text()
                    if not text.endswith("data: [DONE]\n\n"):
                        self.outcome.failed.append(f"a stream of {response.status} was cut")
            except aiohttp.ClientError as error:
                self.outcome.failed.append(f"a stream: {error!r}")
            self.outcome.streams += 1


async def run(folder: Path, *, restarts: int, streams: int) -> Outcome:
    fleet = Fleet(folder)
    try:
        await asyncio.gather(*(fleet.start(at) for at in range(3)))
        async with (
            haproxy(folder, fleet.ports) as proxy,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        ):
            await proxy.all_up()
            load = Load(http, proxy.url)
            tasks = [asyncio.create_task(load.ask()) for _ in range(CLIENTS)]
            tasks += [asyncio.create_task(load.stream()) for _ in range(streams)]
            for number in range(restarts):
                await fleet.restart(number % 3)
                await proxy.all_up()
                load.outcome.restarts += 1
            load.is_over.set()
            await asyncio.gather(*tasks)
            return load.outcome
    finally:
        for at in range(3):
            await fleet.stop(at)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--restarts", type=int, default=50)
    options.add_argument("--streams", type=int, default=50)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-rolling-") as folder:
        outcome = asyncio.run(run(Path(folder), restarts=given.restarts, streams=given.streams))
    print(outcome)
    print(*outcome.failed[:5], sep="\n")
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure what a reload costs with 500 routes and 100,000 keys: how long it takes, and how long the loop stands still;
and what a hundred of them leave behind.

    python benchmarks/reload.py            also in `make bench`; exits 1 where a promise is not kept

The gateway runs in this process, so that a task beside it sees how late the loop is. What counts is the CPU time of
this process: else what a busy machine does otherwise would be measured. The time by the clock is shown beside it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.config.load import load
from gateway.server.app import Gateway
from gateway.server.lifecycle import open_ledger
from gateway.server.reloader import Reloader, adopt
from gateway.services import open_services
from gateway.snapshot import build_snapshot
from gateway.stores.database import at_once
from gateway.stores.keys.store import KeyStore, StoredKey
from gateway.telemetry import logs
from gateway.types import Scopes

ROUTES = 500
KEYS = 100_000
TIMED = 15  # odd, for a median
RELOADS = 100  # between which memory, descriptors and tasks are compared
SETTLING = 20  # reloads before that: allocators and caches find their size
TICK_S = 0.001
PROMISED_MS = 200
PROMISED_STALL_MS = 10
PROMISED_GROWTH_MB = 2
WAIT_S = 60.0

PROVIDERS = "version: 1\nproviders:\n  sandbox: {plugin: sandbox, models: {chat: {operation: chat}}}\n"
HEAD = """\
version: 1
server: {{listen: "127.0.0.1:0", log_level: error}}
keys: {{anonymous: loopback}}
stores: {{database_url: 'sqlite:gateway.db'}}
models: {{chat: {{operation: chat, targets: [sandbox/chat], description: "{number}"}}}}
routes:
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds, of CPU and by the clock."""

    cpu_ms: float
    clock_ms: float

    def __str__(self) -> str:
        return f"{self.cpu_ms:.1f} ms (by the clock {self.clock_ms:.1f} ms)"


@dataclass(frozen=True, slots=True)
class Found:
    took: Cost  # medians
    stall: Cost  # the longest of each reload, of which the median
    growth_mb: float
    descriptors: int  # more than before
    tasks: int  # likewise

    @property
    def is_kept(self) -> bool:
        grows = self.growth_mb > PROMISED_GROWTH_MB or self.descriptors > 0 or self.tasks > 0
        return self.took.cpu_ms <= PROMISED_MS and self.stall.cpu_ms <= PROMISED_STALL_MS and not grows


class Lateness:
    """How long the loop did not turn, at most, since `reset`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.cpu_s = self.clock_s = 0.0

    async def watch(self) -> None:
        while True:
            clock_s, cpu_s = time.perf_counter(), time.process_time()
            await asyncio.sleep(0)
            self.clock_s = max(self.clock_s, time.perf_counter() - clock_s)
            self.cpu_s = max(self.cpu_s, time.process_time() - cpu_s)
            await asyncio.sleep(TICK_S)
            self.clock_s = max(self.clock_s, time.perf_counter() - clock_s - TICK_S)
            self.cpu_s = max(self.cpu_s, time.process_time() - cpu_s - TICK_S)


def write_routes(folder: Path, routes: int, number: int) -> None:
    rows = (
        f"  - {{path: /team-{at}/chat, dialect: openai.chat, model: chat, cache: {{ttl_s: 60}}}}\n"
        for at in range(routes)
    )
    (folder / "routes.yaml").write_text(HEAD.format(number=number) + "".join(rows))


def write_keys(url: str, keys: int) -> None:
    """Make the database, with so many keys in it."""
    at_once(url, lambda database: database.migrate())
    rows = [
        StoredKey(
            id=f"key_{number:08d}",
            name=f"key {number}",
            tenant=f"tenant-{number % 1000}",
            digest=number.to_bytes(32, "big"),
            scopes=Scopes(),
            created_at=1_800_000_000.0,
        )
        for number in range(keys)
    ]
    KeyStore(url).add(rows)


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Gateway, Reloader]]:
    services = open_services()
    config = await asyncio.to_thread(load, folder, {})
    restorer = await open_ledger(config, services)
    gateway = Gateway(services, build_snapshot(config, services, 1))
    adopt(gateway.snapshot, services)
    reloader = Reloader(gateway, lambda: load(folder, {}), restorer)
    gc.collect()
    gc.freeze()
    try:
        yield gateway, reloader
    finally:
        gc.unfreeze()
        await reloader.aclose()
        await services.aclose()


async def reload(gateway: Gateway, reloader: Reloader) -> Cost:
    """Reload, and return what it took until the new configuration served."""
    before = gateway.snapshot
    clock_s, cpu_s = time.perf_counter(), time.process_time()
    reloader.request()
    async with asyncio.timeout(WAIT_S):
        while gateway.snapshot is before:  # it has no event
            await asyncio.sleep(TICK_S)
    return Cost((time.process_time() - cpu_s) * 1000, (time.perf_counter() - clock_s) * 1000)


async def measure(folder: Path, routes: int, keys: int, timed: int, reloads: int, settling: int) -> Found:
    logs.set_up("error")
    write_keys(f"sqlite:{folder / 'gateway.db'}", keys)
    (folder / "providers.yaml").write_text(PROVIDERS)
    write_routes(folder, routes, 0)
    lateness, took, stalls = Lateness(), [], []
    async with served(folder) as (gateway, reloader):
        assert len(gateway.services.keys) == keys
        watching = asyncio.create_task(lateness.watch())
        for number in range(1, timed + 1):
            write_routes(folder, routes, number)
            lateness.reset()
            took.append(await reload(gateway, reloader))
            await asyncio.sleep(2 * TICK_S)
            stalls.append(Cost(lateness.cpu_s * 1000, lateness.clock_s * 1000))
        watching.cancel()
        for number in range(settling):
            write_routes(folder, routes, number)
            await reload(gateway, reloader)
        before = resident_mb(), descriptors(), len(asyncio.all_tasks())
        for number in range(reloads):
            write_routes(folder, routes, number)
            await reload(gateway, reloader)
        after = resident_mb(), descriptors(), len(asyncio.all_tasks())
    grown = [now - then for now, then in zip(after, before, strict=True)]
    return Found(median(took), median(stalls), grown[0], int(grown[1]), int(grown[2]))


def median(costs: list[Cost]) -> Cost:
    return Cost(statistics.median(one.cpu_ms for one in costs), statistics.median(one.clock_ms for one in costs))


def resident_mb() -> float:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def main(
    routes: int = ROUTES, keys: int = KEYS, timed: int = TIMED, reloads: int = RELOADS, settling: int = SETTLING
) -> bool:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        found = await measure(Path(folder), routes, keys, timed, reloads, settling)
    what = f"{routes} routes, {keys:,} keys:"
    print(f"{what:<28} a reload takes {found.took}   promised <= {PROMISED_MS} ms")
    print(f"{'':<28} the loop stands still for {found.stall} at most   promised <= {PROMISED_STALL_MS} ms")
    print(
        f"{f'{reloads} reloads:':<28} memory {found.growth_mb:+.1f} MB   promised <= {PROMISED_GROWTH_MB} MB, "
        f"descriptors {found.descriptors:+d}, tasks {found.tasks:+d}   promised 0"
    )
    print(f"{'':<28} {'kept' if found.is_kept else 'NOT KEPT'}")
    return found.is_kept


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)

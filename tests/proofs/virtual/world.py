"""One run: a plan carried out by real clients, the real gateway and simulated vendors, in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway.config.model import Config
from gateway.errors import ConfigError, Problem
from gateway.server.app import Gateway
from gateway.server.lifecycle import base_url, make_runner, open_ledger
from gateway.server.reloader import Reloader, adopt
from gateway.services import Services, open_services
from gateway.snapshot import build_snapshot
from gateway.stores.limits import Limiter
from gateway.stores.limits.clock import SteadyClock
from tests.proofs.faults.work import Seen
from tests.proofs.virtual.loop import VirtualLoop
from tests.proofs.virtual.plan import VENDORS, Ask, Plan, Trouble
from tests.proofs.virtual.variants import PORTS, SECRET, configs
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.openai import OpenAIServer
from tests.vendors.recording import RequestRecord
from tests.vendors.server import VendorServer

OVER_S = 30.0  # after the last answer, for whatever still runs in the gateway


@dataclass
class World:
    """What became of a plan."""

    plan: Plan
    start_s: float = 0.0
    seen: dict[int, Seen] = field(default_factory=dict)  # by the number of the request
    left_at_s: dict[int, float] = field(default_factory=dict)
    records: dict[str, list[RequestRecord]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    held: int = 0
    spent_nano_usd: int = 0
    in_flight: tuple[int, float] = (0, 0.0)
    attempts: dict[str, int] = field(default_factory=dict)  # that breakers count as under way, where there are any
    generation: str = ""
    events: list[str] = field(default_factory=list)  # in their order, with their moments
    loop_faults: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.events.append(f"{asyncio.get_running_loop().time() - self.start_s:.9f} {what}")

    @property
    def digest(self) -> str:
        """Return what two runs share that are the same run."""
        return hashlib.sha256("\n".join(self.events).encode()).hexdigest()[:16]


async def run_plan(loop: VirtualLoop, plan: Plan, folder: Path) -> World:
    """Carry a plan out; the ledger is a file in `folder`."""
    world = World(plan, loop_faults=loop.faults)
    vendors: dict[str, VendorServer] = {
        name: kind(identity=name, port=PORTS[name], event_interval_s=pace_s)
        for name, kind, pace_s in zip(VENDORS, (OpenAIServer, OpenAIServer, AnthropicServer), plan.paces_s, strict=True)
    }
    database_url = f"sqlite:{folder / f'{plan.seed}.db'}"
    loaded = [replace(config, database_url=database_url) for config in configs()]
    async with AsyncExitStack() as stack:
        for vendor in vendors.values():
            await stack.enter_async_context(vendor)
        gateway, reloader, url = await stack.enter_async_context(_serving(plan, loaded))
        world.start_s = loop.time()
        client = await stack.enter_async_context(aiohttp.ClientSession(url))
        async with asyncio.TaskGroup() as group:
            for trouble in plan.troubles:
                group.create_task(_trouble(world, loop, vendors[trouble.vendor], trouble))
            for reload in plan.reloads:
                loop.call_at(world.start_s + reload.at_s, reloader.ask, reload.variant)
            for ask in plan.asks:
                group.create_task(_ask(world, client, ask))
        await _settled(world, gateway)
    world.records = {name: list(vendor.requests) for name, vendor in vendors.items()}
    for name, records in world.records.items():
        for record in records:
            moments = (record.arrived_at_s, record.ended_at_s or 0.0)
            world.events.append(f"{name} {[round(moment - world.start_s, 9) for moment in moments]} {record.outcome}")
    world.rows = _rows(database_url.removeprefix("sqlite:"))
    world.events += [f"{row['request_id']} {row['state']} {row['status']} {row['cost_nano_usd']}" for row in world.rows]
    return world


class _Reloads:
    """Reloads as on SIGHUP; what is loaded next is said before."""

    def __init__(self, gateway: Gateway, configs: list[Config], restorer: Any) -> None:
        self._configs = configs
        self._next: list[int | None] = []
        self.reloader = Reloader(gateway, self._load, restorer)

    def ask(self, variant: int | None) -> None:
        self._next.append(variant)
        self.reloader.request()

    def _load(self) -> Config:
        variant = self._next[-1]
        if variant is None:
            raise ConfigError([Problem("routes.yaml", 1, 1, "is refused")])
        return self._configs[variant]


@asynccontextmanager
async def _serving(plan: Plan, configs: list[Config]) -> AsyncIterator[tuple[Gateway, _Reloads, str]]:
    services = _services()
    restorer = await open_ledger(configs[plan.first], services)
    gateway = Gateway(services, build_snapshot(configs[plan.first], services, 1))
    adopt(gateway.snapshot, services)
    runner = make_runner(gateway)
    reloads = _Reloads(gateway, configs, restorer)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield gateway, reloads, base_url(runner)
    finally:
        await reloads.reloader.aclose()
        await runner.cleanup()
        await services.aclose()


def _services() -> Services:
    services = open_services()
    services.limiter = Limiter(SteadyClock(time.time, time.monotonic))  # as patched: the defaults are the real ones
    return services


async def _trouble(world: World, loop: VirtualLoop, vendor: VendorServer, trouble: Trouble) -> None:
    await asyncio.sleep(max(0.0, trouble.at_s))
    world.note(f"{trouble.vendor}: {trouble.what}")
    port = PORTS[trouble.vendor]
    lasts_s = max(0.0, trouble.until_s - max(0.0, trouble.at_s))
    if trouble.what == "down":
        if vendor._site is not None:
            await vendor.stop_listening()
            await asyncio.sleep(lasts_s)
            await vendor.start_listening()
    elif trouble.what == "deaf":
        loop.net.silent.add(port)
        await asyncio.sleep(lasts_s)
        loop.net.silent.discard(port)
    else:
        vendor.faults.add(trouble.what)
        await asyncio.sleep(lasts_s)
        vendor.faults.clear()
    world.note(f"{trouble.vendor} is over {trouble.what}")


async def _ask(world: World, client: aiohttp.ClientSession, ask: Ask) -> None:
    """Send one request at its moment, and leave where the plan says so."""
    await asyncio.sleep(ask.at_s)
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(_answered(client, ask))
    done, _ = await asyncio.wait((task,), timeout=ask.leaves_after_s)
    if not done:
        world.left_at_s[ask.number] = loop.time()
        task.cancel()
    try:
        seen = await task
    except asyncio.CancelledError:
        world.note(f"{ask.request_id} left")
        return
    world.seen[ask.number] = seen
    world.note(f"{ask.request_id} {seen.status} {len(seen.body)} {seen.is_clean}")


async def _answered(client: aiohttp.ClientSession, ask: Ask) -> Seen:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    status, body, is_clean, headers = 0, b"", False, {}
    asked_with = {"authorization": f"Bearer {SECRET}{ask.key}", "x-request-id": ask.request_id}
    if ask.cache_control:
        asked_with["cache-control"] = ask.cache_control
    message = {"model": "chat", "stream": ask.is_streamed, "messages": [{"role": "user", "content": ask.text}]}
    try:
        async with client.post("/v1/chat/completions", json=message, headers=asked_with) as answer:
            status, headers = answer.status, {name.lower(): value for name, value in answer.headers.items()}
            async for chunk in answer.content.iter_any():
                body += chunk
                if ask.pause_s:
                    await asyncio.sleep(ask.pause_s)
            is_clean = True
    except (aiohttp.ClientError, ConnectionError):
        pass
    return Seen(status, body, is_clean, headers, loop.time() - started_s)


async def _settled(world: World, gateway: Gateway) -> None:
    """Wait until nothing is under way, and note what is left then."""
    services = gateway.services
    try:
        async with asyncio.timeout(OVER_S):
            while gateway.in_flight:
                await asyncio.sleep(0.01)
    except TimeoutError:
        world.note("requests are under way that nobody waits for")
    await services.ledger.flush()
    world.in_flight = (gateway.in_flight, services.metrics.in_flight._value.get())
    world.attempts = {name: one.in_flight for name, one in services.breakers.all().items() if one.in_flight}
    slots = (services.slots.server, *services.slots._slots.values())
    world.held = services.limiter.local.held + sum(one.running + one.waiting for one in slots) + len(services.flights)
    world.spent_nano_usd = sum(row.spent for _, row in services.limiter.local.subjects() if not isinstance(row, int))
    world.generation = gateway.snapshot.generation


def _rows(path: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM requests ORDER BY id")]

"""Redis is stopped, killed, paused, full, read-only, slow and emptied under a gateway that serves a hundred requests a
second: none fails, none waits long, hardly anything is logged, and afterwards Redis has what the ledger has.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.harness import ROUTES, SANDBOX, Process, process
from tests.proofs import redis_state
from tests.redis_server import RedisServer, redis_server
from tests.stores.entries import asked, sums_are_those_of_the_rows

RATE = 100  # requests a second
HEALTHY_S, FAULT_S, AFTER_S = 1.5, 2.5, 1.5
SETTLED_S = 6.0  # for Redis to be told what was used while it was away
SLOWER_MS = 300  # promised are 100; a busy machine adds its own
LOG_BYTES = 200  # a request
FAULTS = ("stopped", "killed", "paused", "full", "read-only", "slow", "emptied")

PRICED = SANDBOX.replace("input_usd_per_mtok: 1, output_usd_per_mtok: 2", "usd_per_request: 0.001")


def routes(redis: RedisServer, while_away: str) -> str:
    return (
        ROUTES.replace('"127.0.0.1:0"', '"127.0.0.1:0", log_level: warning')
        + f"stores: {{redis_url: '{redis.url}', database_url: 'sqlite:gateway.db'}}\n"
        + f"limits: {{all: {{per: [], concurrent: 1000, requests: 1000000/hour, budget: 1000000 USD total, "
        f"while_away: {while_away}}}}}\n"
    )


@dataclass
class Seen:
    statuses: Counter[int] = field(default_factory=Counter)
    waits_ms: list[float] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.waits_ms, n=100)[-1]


async def load(client: aiohttp.ClientSession, for_s: float) -> Seen:
    """Send requests at an even pace, whether or not the ones before were answered."""
    seen = Seen()

    async def one(number: int) -> None:
        started_s = time.monotonic()
        body = {"model": "chat", "messages": [{"role": "user", "content": f"number {number}"}]}
        async with client.post("/v1/chat/completions", json=body) as answer:
            await answer.read()
            seen.statuses[answer.status] += 1
        seen.waits_ms.append((time.monotonic() - started_s) * 1000)

    start_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(for_s * RATE)):
            group.create_task(one(number))
            await asyncio.sleep(max(0.0, start_s + (number + 1) / RATE - time.monotonic()))
    return seen


@asynccontextmanager
async def ailing(server: RedisServer, fault: str) -> AsyncIterator[None]:
    """Have Redis ail while this is open; what it loses for good is lost at once, twice for `emptied`."""
    async with Redis(port=server.port) as client:
        match fault:
            case "stopped":
                with suppress(RedisError, OSError):
                    await client.shutdown(nosave=True)
            case "killed":
                await server.stop()
            case "paused":
                server.pause()
            case "full":
                await client.config_set("maxmemory-policy", "noeviction")
                await client.config_set("maxmemory", "1")
            case "read-only":
                await client.replicaof("127.0.0.1", "1")
            case "emptied":
                await client.flushall()
        slowing = asyncio.create_task(_slow(client)) if fault == "slow" else None
        yield
        if slowing is not None:
            slowing.cancel()
            await asyncio.gather(slowing, return_exceptions=True)
    match fault:
        case "stopped" | "killed":
            await server.stop()
            await server.start()
        case "paused":
            server.resume()
    async with Redis(port=server.port) as client:
        match fault:
            case "full":
                await client.config_set("maxmemory", "0")
            case "read-only":
                await client.replicaof("NO", "ONE")
            case "emptied":
                await client.flushall()


async def _slow(client: Redis) -> None:
    """Make it answer some requests at once and others late, by more than a request waits."""
    while True:
        await client.client_pause(150, all=True)
        await asyncio.sleep(0.25)


async def told_all(redis: RedisServer, url: str, expected: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return what Redis says is spent, what the ledger says, and what is held, once it is as expected or time is up."""
    until_s = time.monotonic() + SETTLED_S
    while True:
        [(by_ledger,)] = await asyncio.to_thread(asked, url, "SELECT COALESCE(SUM(cost_nano_usd), 0) FROM requests")
        found = (await redis_state.spent(redis, "all"), int(by_ledger), await redis_state.held(redis))
        if found == expected or time.monotonic() > until_s:
            return found
        await asyncio.sleep(0.1)


@asynccontextmanager
async def served(folder: Path, while_away: str) -> AsyncIterator[tuple[RedisServer, Process, aiohttp.ClientSession]]:
    async with redis_server(folder) as redis, process(folder, PRICED, routes(redis, while_away)) as gateway:
        async with aiohttp.ClientSession(gateway.url, connector=aiohttp.TCPConnector(limit=0)) as client:
            await asyncio.sleep(0.5)  # it connects beside the start
            yield redis, gateway, client


@pytest.mark.alone
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_request_fails_and_nothing_is_lost_whatever_ails_redis(tmp_path: Path, fault: str) -> None:
    url = f"sqlite:{tmp_path / 'gateway.db'}"
    async with served(tmp_path, "local_share") as (redis, gateway, client):
        healthy = await load(client, HEALTHY_S)
        logged_before = len(str(gateway.log))
        async with ailing(redis, fault):
            during = await load(client, FAULT_S)
        after = await load(client, AFTER_S)
        logged = len(str(gateway.log)) - logged_before
        requests = sum(during.statuses.total() for during in (during, after))
        print(f"{fault}: p99 {healthy.p99_ms:.0f} ms healthy, {during.p99_ms:.0f} ms ailing, {logged} bytes logged")
        assert {*healthy.statuses, *during.statuses, *after.statuses} == {200}
        assert during.p99_ms <= healthy.p99_ms + SLOWER_MS
        assert logged <= LOG_BYTES * requests
        cost = (healthy.statuses.total() + requests) * 1_000_000
        assert await told_all(redis, url, (cost, cost, 0)) == (cost, cost, 0)
    assert await asyncio.to_thread(sums_are_those_of_the_rows, url)


@pytest.mark.alone
@pytest.mark.parametrize(("while_away", "statuses"), [("closed", {503}), ("open", {200})])
async def test_while_redis_is_away_the_policy_decides_for_every_request(
    tmp_path: Path, while_away: str, statuses: set[int]
) -> None:
    url = f"sqlite:{tmp_path / 'gateway.db'}"
    async with served(tmp_path, while_away) as (redis, gateway, client):
        before = await load(client, 0.5)
        await redis.stop()
        during = await load(client, 1.5)
        assert set(before.statuses) <= {200, *statuses}
        assert set(during.statuses) == statuses
        await redis.start()
        await gateway.wait_for_log(lambda line: "redis is here" in str(line["message"]))
        after = await load(client, 0.5)
        assert set(after.statuses) <= {200, *statuses}
        cost = sum(seen.statuses[200] for seen in (before, during, after)) * 1_000_000
        assert await told_all(redis, url, (cost, cost, 0)) == (cost, cost, 0)

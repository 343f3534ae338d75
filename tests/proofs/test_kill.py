"""Killed at random moments: nothing that reached a vendor is lost or there twice, and nothing stays reserved."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.harness import process
from tests.proofs import redis_state
from tests.proofs.kills import LIMITED, WITHIN_S, kill_often
from tests.redis_server import redis_server
from tests.stores.entries import rows
from tests.test_openai_client import VENDOR
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

RUNS = 50  # a second each, twice; `python -m tests.proofs.kills` makes a thousand
SEEDS = (20_261_125, 20_261_125 + RUNS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_gateway_killed_at_random_moments_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, seed: int
) -> None:
    outcome = await kill_often(tmp_path, RUNS, seed)
    print(f"seeds {seed} to {seed + RUNS - 1}: {outcome}")  # shown where it fails
    assert outcome.faults == []
    assert outcome.states["crashed"] > RUNS  # so many were under way when they were killed
    assert outcome.at_vendor > 5 * RUNS


async def test_nothing_is_held_in_redis_after_a_kill_and_what_was_under_way_is_charged(tmp_path: Path) -> None:
    """Before the lease is over: the process that finds the rows of the dead one lets go of what it held."""
    url = f"sqlite:{tmp_path / 'gateway.db'}"
    async with redis_server(tmp_path) as redis, OpenAIServer(event_interval_s=0.004) as vendor:
        providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY)
        config = LIMITED.replace("stores: {", f"stores: {{redis_url: 'redis://127.0.0.1:{redis.port}/0', ")
        async with process(tmp_path, providers, config) as gateway, aiohttp.ClientSession(gateway.url) as client:
            await gateway.wait_for_log(lambda line: "redis is here" in str(line["message"]))
            assert [await ask(client) for _ in range(3)] == [200] * 3
            vendor.faults.add(Fault("slow_headers", times=5))
            under_way = [asyncio.create_task(ask(client)) for _ in range(5)]
            while len(vendor.requests) < 8:
                await asyncio.sleep(0.05)
            assert await redis_state.held(redis) > 5  # calls, and money besides
            gateway.process.kill()
            await gateway.process.wait()
            await asyncio.gather(*under_way, return_exceptions=True)
        async with process(tmp_path, providers, config) as gateway, aiohttp.ClientSession(gateway.url) as client:
            async with asyncio.timeout(WITHIN_S):
                await gateway.wait_for_log(lambda line: "redis is here" in str(line["message"]))
                await asyncio.sleep(0.1)
                assert await ask(client) == 200  # what nobody holds any more is swept out by whoever counts next
            async with asyncio.timeout(WITHIN_S):
                while await redis_state.held(redis):
                    await asyncio.sleep(0.05)
            assert Counter(state for state, _ in rows(url)) == {"settled": 4, "crashed": 5}
            assert await redis_state.spent(redis, "all") == sum(cost for _, cost in rows(url))


async def ask(client: aiohttp.ClientSession) -> int:
    body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
    async with client.post("/v1/chat/completions", json=body) as answer:
        await answer.read()
        return answer.status

"""Requests counted by several processes together, in a real Redis that is stopped and paused under them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.stores import shared_rates
from gateway.stores.rates import Rates
from gateway.stores.shared_rates import SharedRates, Taken
from tests.harness import ROUTES, SANDBOX, process
from tests.redis_server import RedisServer, redis_server

HOUR = Rates.parse("5/hour")
MINUTE = Rates.parse("3/minute")
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as running:
        yield running


async def connected(url: str) -> SharedRates:
    """Rates that have connected already: what they count afterwards needs no time for it."""
    rates = SharedRates()
    rates.use(url)
    for _ in range(100):
        if await rates.take([Rates.parse("1000/hour")], "warm-up") is not None:
            return rates
        await asyncio.sleep(0.05)
        rates._away_until_s = 0.0
    raise AssertionError("no redis")


def is_admitted(taken: Taken | None) -> bool:
    assert taken is not None
    return taken.refused is None


@pytest.mark.parametrize("limit", [1, 5, 40])
async def test_exactly_as_many_are_admitted_as_the_limit_says(server: RedisServer, limit: int) -> None:
    three = [await connected(server.url) for _ in range(3)]
    rate = Rates.parse(f"{limit}/hour")
    admitted = 0
    for _ in range(20):
        answers = await asyncio.gather(*(rates.take([rate], "key") for rates in three))
        admitted += sum(is_admitted(answer) for answer in answers)
    assert admitted == limit
    for rates in three:
        await rates.aclose()


async def test_all_rates_count_or_none_and_a_refusal_consumes_nothing(server: RedisServer) -> None:
    rates = await connected(server.url)
    for left in (2, 1, 0):
        taken = await rates.take([HOUR, MINUTE], "key")
        assert is_admitted(taken)
        assert taken is not None
        assert [row[0] for row in taken.left] == [left + 2, left]
    for _ in range(10):
        taken = await rates.take([HOUR, MINUTE], "key")
        assert taken is not None
        assert taken.refused is not None
        assert taken.refused.rate is MINUTE
        assert 0 < taken.refused.wait_s <= 120
    assert [is_admitted(await rates.take([HOUR], "key")) for _ in range(3)] == [True, True, False]
    assert is_admitted(await rates.take([HOUR], "another key"))
    await rates.aclose()


async def test_a_window_slides(server: RedisServer) -> None:
    rates = await connected(server.url)
    quick = Rates.parse("2/second")
    assert is_admitted(await rates.take([quick], "key"))
    assert is_admitted(await rates.take([quick], "key"))
    refused = await rates.take([quick], "key")
    assert refused is not None
    if refused.refused is not None:  # the second may have turned in between
        await asyncio.sleep(refused.refused.wait_s)
        assert is_admitted(await rates.take([quick], "key"))
    await rates.aclose()


async def test_an_absent_or_silent_redis_costs_a_little_once_and_is_found_again(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rates, "AWAY_S", 0.2)
    rates = await connected(server.url)
    server.pause()
    start = time.monotonic()
    assert [await rates.take([HOUR], "key") for _ in range(20)] == [None] * 20
    assert time.monotonic() - start < 1  # one budget of 50 ms, on a busy machine
    server.resume()
    await asyncio.sleep(0.3)
    assert await rates.take([HOUR], "key") is not None
    await server.stop()
    assert await rates.take([HOUR], "key") is None
    await server.start()
    async with asyncio.timeout(5):
        while await rates.take([HOUR], "key") is None:
            await asyncio.sleep(0.05)
    await rates.aclose()


async def test_two_gateways_share_a_limit_and_go_on_alone_without_redis(server: RedisServer, tmp_path: Path) -> None:
    routes = ROUTES.replace("dialect: openai.chat}", "dialect: openai.chat, quota: {requests: [6/hour]}}")
    routes += f"stores: {{redis_url: '{server.url}'}}\n"
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    async with (
        process(folders[0], SANDBOX, routes) as one,
        process(folders[1], SANDBOX, routes) as two,
        aiohttp.ClientSession() as http,
    ):

        async def status(url: str) -> int:
            async with http.post(url + "/v1/chat/completions", json=CHAT) as response:
                return response.status

        for gateway in (one, two):
            await gateway.wait_for_log(lambda line: "counted in redis" in str(line["message"]))
        statuses = [await status(gateway.url) for _ in range(6) for gateway in (one, two)]
        assert statuses == [200] * 6 + [429] * 6

        await server.stop()
        assert await status(one.url) == 200  # by its own count, which is new
        assert await status(two.url) == 200
        await one.wait_for_log(lambda line: "redis is away" in str(line["message"]))

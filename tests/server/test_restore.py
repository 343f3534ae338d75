"""Keys' own limits continue after a start: by key, and with one question to the ledger for each span of time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.server.restore import restored_of_keys
from gateway.stores.keys.terms import limits_of, write_limits
from gateway.stores.ledger.used import AMOUNTS, Used
from gateway.types import Client, Scopes
from tests.harness import ROUTES, SANDBOX, inside, process
from tests.proofs import redis_state
from tests.redis_server import redis_server
from tests.stores.entries import NOON

PRICED = SANDBOX.replace("input_usd_per_mtok: 1, output_usd_per_mtok: 2", "usd_per_request: 0.001")
LEDGER = "stores: {database_url: 'sqlite:gateway.db'}\n"
SECRET = "web-secret-0123456789"


async def statuses(url: str, key: str, count: int) -> list[int]:
    found = []
    async with aiohttp.ClientSession(url, headers={"authorization": f"Bearer {key}"}) as session:
        for number in range(count):
            body = {"model": "chat", "messages": [{"role": "user", "content": str(number)}]}
            async with session.post("/v1/chat/completions", json=body) as answer:
                await answer.read()
                found.append(answer.status)
    return found


def client(name: str, **limits: Any) -> Client:
    return Client(name, "acme", limits=limits_of(write_limits(limits)))


def used(key: str, model: str = "m", **amounts: int) -> Used:
    return Used({"key": key, "requested_model": model}, {**dict.fromkeys(AMOUNTS, 0), **amounts})


async def test_the_ledger_is_asked_once_for_each_span_however_many_keys_there_are() -> None:
    asked: list[tuple[float | None, float | None]] = []

    async def used_between(since: float | None, until: float | None) -> Sequence[Used]:
        asked.append((since, until))
        return [used("key-1", requests=2, tokens=30), used("key-1", "other", requests=1), used("gone", requests=9)]

    rates = [["9/hour", f"{number + 1}/day"] for number in range(500)]
    clients = [client(f"key-{number}", requests=each, budget="5 USD/hour") for number, each in enumerate(rates)]
    found = [row async for row in restored_of_keys(clients, used_between, NOON)]
    day = 86_400
    assert sorted(asked, key=str) == sorted(
        [(NOON, None), (NOON - 3_600, NOON), (NOON - NOON % day, None), (NOON - NOON % day - day, NOON - NOON % day)],
        key=str,
    )
    assert {claim.subject for claim, _, _ in found} == {"key=key-1"}
    assert sorted((claim.meter.id, amount, is_before) for claim, amount, is_before in found) == [
        ("key|requests/3600", 3, False),
        ("key|requests/3600", 3, True),
        ("key|requests/86400", 3, False),
        ("key|requests/86400", 3, True),
    ]


async def test_without_limited_keys_the_ledger_is_not_asked() -> None:
    async def used_between(since: float | None, until: float | None) -> Sequence[Used]:
        raise AssertionError

    assert [row async for row in restored_of_keys([Client("a", "b")], used_between, NOON)] == []


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_a_keys_limits_hold_over_a_restart(tmp_path: Path, most: int) -> None:
    """Two calls before it: one that admits two, or fewer, admits none after it, one that admits three admits one."""
    declared = f"keys: {{static: [{{name: web, key: {SECRET}, limits: {{requests: {most}/day}}}}]}}"
    routes = ROUTES.replace("keys: {anonymous: loopback}", declared) + LEDGER
    async with inside(tmp_path, routes=routes) as gateway:
        store = gateway.services.keys.store
        assert store is not None
        limits = write_limits({"requests": f"{most}/day"})
        _, stored = await asyncio.to_thread(store.create, "app", "acme", Scopes(), None, NOON, "user", limits)
        await gateway.services.keys.refresh()
        assert [await statuses(gateway.url, key, 2) for key in (SECRET, stored)] == [
            [200, 200 if most > 1 else 429]
        ] * 2
        await gateway.services.ledger.flush()
    async with inside(tmp_path, routes=routes) as gateway:
        spent = min(most, 2)
        expected = [200] * (most - spent) + [429] * (2 - most + spent)
        assert [await statuses(gateway.url, key, 2) for key in (SECRET, stored)] == [expected] * 2


async def test_a_budget_that_a_reload_adds_begins_with_what_was_spent_before_it(tmp_path: Path) -> None:
    """And one that was there goes on, also where the reload changes its amount."""
    both = "limits: {old: {per: [], requests: 6/day}, new: {per: [], requests: 4/day}}\n"
    old = "limits: {old: {per: [], requests: 5/day}}\n"
    async with process(tmp_path, routes=ROUTES + LEDGER + old) as gateway:
        assert await statuses(gateway.url, "", 3) == [200] * 3
        gateway.write(routes=ROUTES + LEDGER + both)
        assert await gateway.reload() == []
        assert await statuses(gateway.url, "", 2) == [200, 429]  # the fourth of the new one
        gateway.write(routes=ROUTES + LEDGER + old.replace("5/day", "6/day"))
        assert await gateway.reload() == []
        assert await statuses(gateway.url, "", 3) == [200, 200, 429]  # four were counted before


async def test_a_budget_that_a_reload_adds_in_redis_begins_with_what_the_ledger_says(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        stores = LEDGER.replace("{", f"{{redis_url: 'redis://127.0.0.1:{redis.port}/0', ")
        async with process(tmp_path, PRICED, routes=ROUTES + stores) as gateway:
            await gateway.wait_for_log(lambda line: "redis is here" in str(line["message"]))
            assert await statuses(gateway.url, "", 3) == [200] * 3
            gateway.write(routes=ROUTES + stores + "limits: {new: {per: [], budget: 1 USD/day}}\n")
            assert await gateway.reload() == []
            assert await redis_state.spent(redis, "new") == 3 * 1_000_000
            assert await statuses(gateway.url, "", 1) == [200]
            await asyncio.sleep(0.2)
            assert await redis_state.spent(redis, "new") == 4 * 1_000_000

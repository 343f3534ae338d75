"""Limits that processes share, in a real Redis that is stopped, paused, emptied, full and read-only under them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.config.quantities import rate
from gateway.stores.limits import Claim, Forgotten, Hold, Limiter, Refusal, meters_of, shared
from gateway.types import Budget, Limit
from tests.redis_server import RedisServer, redis_server

ALL = Limit(
    "all",
    rates=(("requests", rate("1000/hour")),),
    concurrent=1000,
    budgets=(Budget(10**9, "day"), Budget(10**12, "total")),
)
SHARED_FIELDS = (b"s", b"number", b"current", b"previous")  # the others are what a process holds


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as running:
        yield running


@asynccontextmanager
async def limiters(server: RedisServer, count: int = 1) -> AsyncIterator[list[Limiter]]:
    """As many as processes, each connected."""
    async with AsyncExitStack() as stack:
        found = [Limiter(time.time) for _ in range(count)]
        for limiter in found:
            stack.push_async_callback(limiter.aclose)
            limiter.shared.use(server.url)
        await until(lambda: all(limiter.shared.is_here for limiter in found))
        yield found


async def until(is_so: object, timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def claims_on(limit: Limit, amount: int = 1, who: str = "all") -> list[Claim]:
    return [Claim(meter, who, 1 if meter.kind == "concurrent" else amount) for meter in meters_of(limit)]


async def admitted(found: Sequence[Limiter], claims: Sequence[Claim], count: int) -> list[Hold]:
    holds: list[Hold] = []
    for start in range(0, count, 40):  # no more at a time than there are connections
        calls = (found[number % len(found)].reserve(claims) for number in range(start, min(count, start + 40)))
        holds += [answer for answer in await asyncio.gather(*calls) if isinstance(answer, Hold)]
    return holds


async def left(limiter: Limiter, limit: Limit) -> list[int]:
    """What is left of each meter, by a call that claims nothing."""
    found = await limiter.reserve([Claim(meter, "all", 0) for meter in meters_of(limit)])
    assert isinstance(found, Hold)
    return [state.left for _, state in found.states]


async def held_in(server: RedisServer) -> int:
    """What all processes hold in Redis."""
    sum_ = 0
    async with Redis(port=server.port) as client:
        async for key in client.scan_iter("{gateway}:*"):
            if await client.type(key) == b"hash":
                fields = await client.hgetall(key)
                sum_ += sum(
                    int(n) for name, n in fields.items() if name not in (b"s", b"number", b"current", b"previous")
                )
    return sum_


@pytest.mark.parametrize("most", [0, 1, 5, 999])
async def test_exactly_as_many_of_a_thousand_are_admitted_by_four_processes(
    server: RedisServer, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "BUDGET_S", 10.0)  # a busy machine is no Redis that is away
    kinds = [Limit("at once", concurrent=most), Limit("money", budgets=(Budget(10 * most, "day"),))]
    kinds += [Limit("requests", rates=(("requests", rate(f"{most}/hour")),))] if most else []
    async with limiters(server, 4) as four:
        for limit in kinds:
            assert len(await admitted(four, claims_on(limit, 10 if limit.budgets else 1), 1_000)) == most


async def test_a_refusal_by_one_takes_nothing_of_the_others(server: RedisServer) -> None:
    async with limiters(server) as [limiter]:
        full = Limit("full", concurrent=0)
        for _ in range(5):
            found = await limiter.reserve([*claims_on(ALL, 7), *claims_on(full)])
            assert isinstance(found, Refusal)
            assert found.claim.meter.limit.name == "full"
        assert await left(limiter, ALL) == [1000, 1000, 10**9, 10**12]


async def test_what_was_used_takes_the_place_of_what_was_held(server: RedisServer) -> None:
    async with limiters(server, 2) as [one, two]:
        found = await one.reserve(claims_on(ALL, 100))
        assert isinstance(found, Hold)
        assert await left(two, ALL) == [900, 999, 10**9 - 100, 10**12 - 100]
        for _ in range(3):  # once
            found.settle(lambda claim: 30)
        await until(lambda: not one.shared._owed and not one.shared._unsure)
        assert await left(two, ALL) == [970, 1000, 10**9 - 30, 10**12 - 30]
        assert await held_in(server) == 0


async def test_what_a_process_held_does_not_outlive_it(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LEASE_S", 1)
    limit = Limit("at once", concurrent=2, budgets=(Budget(100, "day"),))
    async with limiters(server, 2) as [one, two]:
        assert len(await admitted([one], claims_on(limit, 50), 5)) == 2
        assert await admitted([two], claims_on(limit, 50), 5) == []
        assert one.shared._task is not None
        one.shared._task.cancel()  # as by kill -9: it beats no more, and settles nothing
        await asyncio.sleep(1.2)
        assert len(await admitted([two], claims_on(limit, 50), 5)) == 2
        one.shared._holding.clear()


async def test_calls_given_up_while_redis_is_asked_hold_nothing_in_the_end(server: RedisServer) -> None:
    """Pain 14."""
    limit = Limit("at once", concurrent=10_000, budgets=(Budget(10**9, "day"),))
    async with limiters(server) as [limiter]:
        for round_ in range(30):
            calls = [asyncio.create_task(limiter.reserve(claims_on(limit, 5))) for _ in range(20)]
            await asyncio.sleep(0.0002 * (round_ % 10))
            for call in calls:
                call.cancel()
            for answer in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(answer, Hold):
                    answer.settle(lambda claim: 0)
        await until(lambda: not limiter.shared._doubtful and not limiter.shared._owed)
        assert await held_in(server) == 0


async def test_a_silent_redis_costs_each_request_at_most_its_budget(server: RedisServer) -> None:
    limit = Limit("requests", rates=(("requests", rate("100000/hour")),))
    async with limiters(server) as [limiter]:
        server.pause()
        start = time.monotonic()
        assert len(await admitted([limiter], claims_on(limit), 400)) == 400
        assert time.monotonic() - start < 1.5  # 50 ms once, for 40 at a time, on a busy machine
        assert not limiter.shared.is_here
        server.resume()
        await until(lambda: limiter.shared.is_here)


async def test_money_spent_while_redis_was_away_is_told_when_it_is_back(server: RedisServer) -> None:
    limit = Limit("money", budgets=(Budget(10**6, "day"),))
    async with limiters(server) as [limiter]:
        before = await admitted([limiter], claims_on(limit, 100), 3)
        server.pause()
        during = await admitted([limiter], claims_on(limit, 100), 7)
        assert len(during) == 7
        for hold in (*before, *during):
            hold.settle(lambda claim: 60)
        server.resume()
        await until(lambda: limiter.shared.is_here and not limiter.shared._owed and not limiter.shared._unsure)
        assert await left(limiter, limit) == [10**6 - 600]
        assert await held_in(server) == 0


async def test_a_batch_whose_answer_is_lost_counts_once(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit("money", budgets=(Budget(10**6, "day"),))
    async with limiters(server) as [limiter]:
        run = limiter.shared._run
        losses = iter([True, True])

        async def lossy(script: str, keys: Sequence[str], arguments: Sequence[object]) -> object:
            answer = await run(script, keys, arguments)
            if "HINCRBY', KEYS[i], 's'" in script and next(losses, False):
                raise TimeoutError
            return answer

        monkeypatch.setattr(limiter.shared, "_run", lossy)
        [hold] = await admitted([limiter], claims_on(limit, 100), 1)
        hold.settle(lambda claim: 40)
        await until(lambda: limiter.shared.is_here and not limiter.shared._owed and not limiter.shared._unsure)
        assert await left(limiter, limit) == [10**6 - 40]


@pytest.mark.parametrize("has_ledger", [True, False])
async def test_an_emptied_redis_begins_with_what_the_ledger_says(server: RedisServer, has_ledger: bool) -> None:
    limit = Limit("money", budgets=(Budget(1_000, "day"),))
    async with limiters(server) as [limiter]:

        async def ledger(mark: Callable[[], None]) -> list[tuple[Claim, int]]:
            mark()
            return [(claims_on(limit)[0], 700)]

        if has_ledger:
            limiter.restore = ledger
        under_way = await admitted([limiter], claims_on(limit, 100), 2)
        async with Redis(port=server.port) as client:
            await client.flushall()
        await until(lambda: limiter.shared.living and limiter.shared.is_here)
        await asyncio.sleep(shared.BEAT_S * 2.5)
        assert await left(limiter, limit) == [100 if has_ledger else 800]  # what is under way is held again
        for hold in under_way:
            hold.settle(lambda claim: 10)
        await until(lambda: not limiter.shared._owed and not limiter.shared._unsure)
        assert await left(limiter, limit) == [280 if has_ledger else 980]


async def test_what_is_told_to_an_emptied_redis_does_not_stand_for_what_was_spent_before(server: RedisServer) -> None:
    limit = Limit("all", concurrent=10, budgets=(Budget(1_000, "day"),))
    async with limiters(server) as [limiter]:
        spent = 600

        async def ledger(mark: Callable[[], None]) -> list[tuple[Claim, int]]:
            mark()
            return [(claim, spent) for claim in claims_on(limit) if claim.meter.kind == "money"]

        limiter.restore = ledger
        holds = await admitted([limiter], claims_on(limit, 100), 3)
        async with Redis(port=server.port) as client:
            await client.flushall()
        for hold in holds[:2]:  # nobody has noticed yet that the counters are gone
            hold.settle(lambda claim: 50)
        spent += 100
        await until(lambda: not limiter.shared.is_here)
        await until(lambda: limiter.shared.is_here and not limiter.shared._owed and not limiter.shared._doubtful)
        assert await left(limiter, limit) == [9, 200]  # the third is under way
        holds[2].settle(lambda claim: 50)
        await until(lambda: not limiter.shared._owed and not limiter.shared._unsure)
        assert await left(limiter, limit) == [10, 250]
        assert await held_in(server) == 0


async def test_an_emptied_redis_waits_for_a_ledger_that_is_away(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "BUDGET_S", 10.0)  # a busy machine is no Redis that is away
    limit = Limit("money", budgets=(Budget(1_000, "day"),))
    async with limiters(server) as [limiter]:
        answers = iter([Forgotten("the ledger is away"), Forgotten("the ledger is away")])

        async def ledger(mark: Callable[[], None]) -> list[tuple[Claim, int]]:
            for error in answers:
                raise error
            mark()
            return [(claims_on(limit)[0], 700)]

        limiter.restore = ledger
        async with Redis(port=server.port) as client:
            await client.flushall()
        await until(lambda: "the ledger is away" in caplog.text)
        assert not limiter.shared.is_here
        await until(lambda: limiter.shared.is_here)
        assert await left(limiter, limit) == [300]


@pytest.mark.parametrize("fault", ["full", "read-only", "stopped"])
async def test_whatever_ails_redis_requests_are_served_by_their_share(server: RedisServer, fault: str) -> None:
    limit = Limit("requests", rates=(("requests", rate("100000/hour")),))
    async with limiters(server) as [limiter]:
        async with Redis(port=server.port) as client:
            if fault == "full":
                await client.config_set("maxmemory-policy", "noeviction")
                await client.config_set("maxmemory", "1")
            elif fault == "read-only":
                await client.replicaof("127.0.0.1", "1")
            else:
                await server.stop()
        assert len(await admitted([limiter], claims_on(limit), 200)) == 200
        assert not limiter.shared.is_here
        if fault == "stopped":
            await server.start()
        else:
            async with Redis(port=server.port) as client:
                await client.config_set("maxmemory", "0")
                await client.replicaof("NO", "ONE")
        await until(lambda: limiter.shared.is_here)
        assert len(await admitted([limiter], claims_on(limit), 50)) == 50


async def test_how_many_processes_live_is_known_to_each(server: RedisServer) -> None:
    async with limiters(server, 3) as three:
        await until(lambda: [limiter.shared.living for limiter in three] == [3, 3, 3])


async def test_a_last_beat_as_it_ends_does_not_bring_it_back() -> None:
    """redis-py takes a cancellation for a timeout of its own, so that a beat may end well after it was told to stop."""
    limiter = Limiter(time.time)
    shared = limiter.shared

    async def beat() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            shared._is_here = True

    shared._url, shared._task = "redis://127.0.0.1:1/0", asyncio.create_task(beat())
    await asyncio.sleep(0)
    shared.use("")
    await shared.settled(5.0)
    assert not shared.is_here
    await limiter.aclose()

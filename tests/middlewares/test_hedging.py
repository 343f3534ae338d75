"""A second attempt beside a slow first: the first content wins, the loser is closed, and both are accounted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.config.model import Failover as Policy
from gateway.config.model import Hedge
from gateway.errors import UpstreamRateLimited, UpstreamRejected, UpstreamUnavailable
from gateway.middlewares.failover import Shares
from gateway.stores.latencies import LEAST
from gateway.stores.retries import MINIMUM
from gateway.types import Call, Reply, Target, TextDelta
from tests.given import drained
from tests.middlewares.answering import GOOD, Answer, Vendors, fresh_shares

SOON = Policy(max_wait_s=0, hedge=Hedge(0.02, 100))
NO = UpstreamUnavailable("no")
SLOW = 30.0


async def ask(vendors: Vendors, policy: Policy = SOON, shares: Shares | None = None, **more: Any) -> tuple[Call, Reply]:
    async with asyncio.timeout(20):
        return await vendors.ask(policy=policy, shares=shares or fresh_shares(), **more)


async def test_a_first_that_answers_in_time_is_alone() -> None:
    vendors = Vendors(a=GOOD, b=GOOD)
    await ask(vendors)
    assert vendors.asked == ["a"]


async def test_a_second_is_asked_beside_a_first_that_takes_long_and_the_first_content_wins() -> None:
    vendors = Vendors(a=SLOW, b=GOOD)
    asked, answer = await ask(vendors)
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.whys() == [("a/m", "first"), ("b/m", "hedge")]
    assert vendors.outcomes() == [("a/m", "hedge_lost"), ("b/m", "ok")]
    assert asked.receipt.last is asked.receipt.attempts[1]
    assert all(attempt.ended_s is not None for attempt in asked.receipt.attempts)


async def test_the_first_may_still_win_and_the_second_is_closed_at_once() -> None:
    vendors = Vendors(a=(0.1, *GOOD), b=(SLOW, *GOOD))  # type: ignore[misc]
    asked, answer = await ask(vendors)
    assert vendors.closed["b"].count == 1
    assert vendors.outcomes() == [("a/m", "open"), ("b/m", "hedge_lost")]
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert asked.receipt.last is asked.receipt.attempts[0]


async def test_one_of_two_that_fails_leaves_it_to_the_other() -> None:
    vendors = Vendors(a=(0.1, *GOOD), b=NO)  # type: ignore[misc]
    await ask(vendors)
    assert vendors.outcomes() == [("a/m", "open"), ("b/m", NO.code)]
    vendors = Vendors(a=(0.1, NO), b=(0.2, *GOOD))  # type: ignore[misc]
    await ask(vendors)
    assert vendors.outcomes() == [("a/m", NO.code), ("b/m", "open")]


async def test_where_both_fail_the_third_is_next() -> None:
    vendors = Vendors(a=(0.1, NO), b=NO, c=GOOD)
    await ask(vendors)
    assert vendors.whys() == [("a/m", "first"), ("b/m", "hedge"), ("c/m", "failover")]


async def test_what_is_the_clients_fault_is_raised_whoever_says_so() -> None:
    vendors = Vendors(a=(0.1, UpstreamRejected("no such field")), b=UpstreamRejected("no such field"), c=GOOD)
    with pytest.raises(UpstreamRejected):
        await ask(vendors)
    assert vendors.asked == ["a", "b"]


async def test_a_first_that_fails_before_the_delay_is_plain_failover() -> None:
    vendors = Vendors(a=NO, b=GOOD)
    await ask(vendors)
    assert vendors.whys() == [("a/m", "first"), ("b/m", "failover")]


async def test_nobody_is_asked_beside_the_only_target_or_the_last_attempt() -> None:
    vendors = Vendors(a=(0.1, *GOOD))  # type: ignore[misc]
    await ask(vendors)
    assert vendors.asked == ["a"]
    vendors = Vendors(a=(0.1, *GOOD), b=GOOD)  # type: ignore[misc]
    await ask(vendors, attempts=1)
    assert vendors.asked == ["a"]


class Shut:
    def reason(self, call: Call, target: Target) -> str | None:
        return None if target.name == "a/m" else "is ejected"


async def test_nobody_is_asked_beside_it_whom_a_gate_keeps_shut() -> None:
    vendors = Vendors(a=(0.1, *GOOD), b=GOOD)  # type: ignore[misc]
    await ask(vendors, gates=[Shut()])
    assert vendors.asked == ["a"]


async def test_a_client_that_leaves_ends_both_and_neither_has_lost() -> None:
    vendors = Vendors(a=(SLOW, *GOOD), b=(SLOW, *GOOD))  # type: ignore[misc]
    asking = asyncio.create_task(ask(vendors))
    while len(vendors.closed) < 2:
        await asyncio.sleep(0.001)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert vendors.outcomes() == [("a/m", "cancelled"), ("b/m", "cancelled")]
    assert [closed.count for closed in vendors.closed.values()] == [1, 1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


# ---------------------------------------------------------------- how many, and when


@pytest.mark.parametrize(("percent", "expected"), [(0, 0), (10, 5), (100, 50)])
async def test_hedges_are_a_share_of_the_routes_calls(percent: float, expected: int) -> None:
    shares = fresh_shares()
    policy = Policy(max_wait_s=0, hedge=Hedge(0.001, percent))
    vendors = Vendors(a=(0.3, *GOOD), b=GOOD)  # type: ignore[misc]
    for _ in range(5):
        await asyncio.gather(*(ask(vendors, policy, shares) for _ in range(10)))
    assert (vendors.asked.count("a"), vendors.asked.count("b")) == (50, expected)


async def test_in_a_full_outage_hedges_are_part_of_what_may_be_wasted() -> None:
    shares = fresh_shares()
    policy = Policy(max_wait_s=0, hedge=Hedge(0.001, 100))
    vendors = Vendors(a=(0.01, NO), b=NO)
    for _ in range(60):
        with pytest.raises(UpstreamUnavailable):
            await ask(vendors, policy, shares)
    assert len(vendors.asked) <= 72
    assert vendors.asked.count("b") >= MINIMUM


async def test_a_target_that_refuses_has_spent_a_hedge_and_no_more() -> None:
    shares = fresh_shares()
    vendors = Vendors(a=(0.05, *GOOD), b=UpstreamRateLimited("slow down"))  # type: ignore[misc]
    await ask(vendors, shares=shares)
    assert vendors.asked == ["a", "b"]


def seen(shares: Shares, took_s: Callable[[int], float]) -> Shares:
    for number in range(LEAST):
        shares.latencies.note("a/m", took_s(number))
    return shares


P95 = Policy(max_wait_s=0, hedge=Hedge(None, 100))


@pytest.mark.parametrize(("took_s", "is_hedged"), [(0.01, True), (20.0, False)])
async def test_the_delay_may_be_what_the_target_takes_at_most_as_a_rule(took_s: float, is_hedged: bool) -> None:
    answer: Answer = (0.2, *GOOD)  # type: ignore[misc]
    vendors = Vendors(a=answer, b=GOOD)
    await ask(vendors, P95, seen(fresh_shares(), lambda _: took_s))
    assert vendors.asked == (["a", "b"] if is_hedged else ["a"])


async def test_as_long_as_nobody_knows_how_long_it_takes_there_is_no_hedge() -> None:
    vendors = Vendors(a=(0.05, *GOOD), b=GOOD)  # type: ignore[misc]
    await ask(vendors, P95)
    assert vendors.asked == ["a"]


async def test_a_loser_took_at_least_as_long_as_it_was_waited_for() -> None:
    """Else a target that grows slow would for ever look as quick as it was."""
    shares = seen(fresh_shares(), lambda _: 0.01)
    for _ in range(12):
        await ask(Vendors(a=SLOW, b=(0.03, TextDelta("x"), *GOOD)), P95, shares)  # type: ignore[misc]
    p95_s = shares.latencies.p95_s("a/m")
    assert p95_s is not None
    assert p95_s > 0.02

"""Repetitions: how often, when, and who pays for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.config.model import Failover as Policy
from gateway.errors import (
    GatewayError,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from gateway.stores.retries import MINIMUM
from gateway.types import Call, Passage, Target, TextDelta, Timeouts
from tests.given import drained, target
from tests.middlewares.answering import GOOD, Vendors, fresh_shares

QUICK = Policy(backoff_s=0.002)
NO = UpstreamUnavailable("no")


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def test_a_lone_target_that_fails_is_asked_again() -> None:
    vendors = Vendors(a=[NO, NO, GOOD])
    asked, answer = await vendors.ask(policy=QUICK)
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.whys() == [("a/m", "first"), ("a/m", "retry"), ("a/m", "retry")]
    assert vendors.outcomes() == [("a/m", NO.code), ("a/m", NO.code), ("a/m", "ok")]
    assert asked.receipt.answered is asked.receipt.attempts[-1]


async def test_others_are_asked_before_anybody_is_asked_again() -> None:
    vendors = Vendors(a=[NO, GOOD], b=NO)
    await vendors.ask(policy=QUICK)
    assert vendors.asked == ["a", "b", "a"]
    assert [why for _, why in vendors.whys()] == ["first", "failover", "retry"]


async def test_the_vendor_is_not_asked_before_it_says() -> None:
    vendors = Vendors(a=[UpstreamRateLimited("slow down", retry_after_s=0.05), GOOD])
    began_s = now_s()
    await vendors.ask(policy=QUICK)
    assert now_s() - began_s >= 0.05


@pytest.mark.parametrize("retry_after_s", [30.0, 3_600.0])
async def test_a_wait_beyond_the_longest_is_passed_on_at_once(retry_after_s: float) -> None:
    vendors = Vendors(a=UpstreamRateLimited("slow down", retry_after_s=retry_after_s))
    began_s = now_s()
    with pytest.raises(UpstreamRateLimited) as caught:
        await vendors.ask(policy=QUICK)
    assert now_s() - began_s < 5
    assert caught.value.retry_after_s == retry_after_s
    assert vendors.asked == ["a"]
    assert vendors.last.receipt.unretried == "wait"


async def test_no_wait_goes_beyond_the_deadline() -> None:
    vendors = Vendors(a=UpstreamRateLimited("slow down", retry_after_s=5))
    began_s = now_s()
    with pytest.raises(UpstreamRateLimited):
        await vendors.ask(policy=QUICK, deadline_s=began_s + 1)
    assert now_s() - began_s < 1
    assert vendors.asked == ["a"]


async def test_no_wait_goes_beyond_what_the_client_waits_for_the_beginning() -> None:
    vendors = Vendors(a=30.0, b=GOOD)
    began_s = now_s()
    with pytest.raises(UpstreamTimeout):
        await vendors.ask(stream=True, content_by_s=began_s + 0.05)
    assert vendors.asked == ["a"]
    assert now_s() - began_s < 5


async def test_what_nobody_can_mend_by_waiting_is_not_repeated() -> None:
    vendors = Vendors(a=UpstreamRefusedUs("key"))
    with pytest.raises(UpstreamRefusedUs):
        await vendors.ask(policy=QUICK)
    assert vendors.asked == ["a"]
    assert vendors.last.receipt.unretried == ""


async def test_a_client_that_leaves_during_a_wait_is_the_last_thing_that_happens() -> None:
    vendors = Vendors(a=UpstreamRateLimited("slow down", retry_after_s=5))
    asking = asyncio.create_task(vendors.ask(policy=QUICK))
    while not vendors.asked:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert vendors.asked == ["a"]


class ShutAfter:
    """A gate that shuts targets once so many attempts were made."""

    def __init__(self, vendors: Vendors, attempts: int, *names: str) -> None:
        self.vendors, self.attempts, self.names = vendors, attempts, names

    def reason(self, call: Call, target: Target) -> str | None:
        return "is ejected" if target.name in self.names and len(self.vendors.asked) >= self.attempts else None


async def test_a_target_that_was_shut_during_a_wait_is_not_asked_again() -> None:
    vendors = Vendors(a=NO)
    with pytest.raises(UpstreamUnavailable):
        await vendors.ask(policy=QUICK, gates=[ShutAfter(vendors, 1, "a/m")])
    assert vendors.asked == ["a"]


async def test_a_target_that_was_shut_while_another_was_asked_is_skipped_and_says_why() -> None:
    vendors = Vendors(a=NO, b=GOOD, c=GOOD)
    await vendors.ask(policy=QUICK, gates=[ShutAfter(vendors, 1, "b/m")])
    assert vendors.asked == ["a", "c"]
    assert vendors.last.receipt.skipped == [("b/m", "is ejected")]


@pytest.mark.parametrize(
    ("kind", "is_repeated"), [(UpstreamUnreachable, True), (UpstreamRateLimited, True), (UpstreamTimeout, False)]
)
async def test_what_may_have_created_something_is_not_sent_twice(kind: type[GatewayError], is_repeated: bool) -> None:
    body = Passage("POST", "a", "things")
    vendors = Vendors(a=kind("no"), b=GOOD)
    if is_repeated:
        await vendors.ask(body=body, operation="proxy")
    else:
        with pytest.raises(kind):
            await vendors.ask(body=body, operation="proxy")
    assert vendors.asked == (["a", "b"] if is_repeated else ["a"])


# ---------------------------------------------------------------- the budget


async def test_a_full_outage_costs_a_fifth_more_attempts_at_most() -> None:
    shares = fresh_shares()
    vendors = Vendors(a=NO, b=NO, c=NO)
    for _ in range(20):
        results = await asyncio.gather(
            *(vendors.ask(policy=QUICK, shares=shares) for _ in range(50)), return_exceptions=True
        )
        assert all(isinstance(result, UpstreamUnavailable) for result in results)
    assert 1_150 <= len(vendors.asked) <= 1_200
    assert vendors.last.receipt.unretried == "budget"


async def test_an_outage_of_one_target_costs_nobody_an_answer() -> None:
    shares = fresh_shares()
    vendors = Vendors(a=NO, b=(0.001, TextDelta("x"), *GOOD))  # type: ignore[misc]
    answers = await asyncio.gather(*(vendors.ask(shares=shares) for _ in range(300)))
    assert len(answers) == 300
    assert (vendors.asked.count("a"), vendors.asked.count("b")) == (300, 300)


async def test_repetitions_count_even_where_they_answer() -> None:
    shares = fresh_shares()
    vendors = Vendors(a=[NO, GOOD] * 50)
    answered = 0
    for _ in range(MINIMUM + 3):
        try:
            await vendors.ask(policy=QUICK, shares=shares)
            answered += 1
        except UpstreamUnavailable:
            vendors.asked.append("a")  # so that each call begins with a failure
    assert answered == MINIMUM


async def test_a_share_of_nothing_is_one_attempt() -> None:
    vendors = Vendors(a=NO, b=GOOD)
    with pytest.raises(UpstreamUnavailable):
        await vendors.ask(policy=replace(QUICK, retry_percent=0), shares=fresh_shares())
    assert vendors.asked == ["a"]


async def test_failures_that_waiting_does_not_mend_go_on_whatever_the_budget_is_spent_on() -> None:
    shares = fresh_shares()
    vendors = Vendors(a=UpstreamRefusedUs("key"), b=UpstreamRefusedUs("key"))
    for _ in range(3 * MINIMUM):
        with pytest.raises(UpstreamRefusedUs):
            await vendors.ask(shares=shares)
    assert vendors.asked == ["a", "b"] * 3 * MINIMUM


# ---------------------------------------------------------------- whose timeouts


@pytest.mark.parametrize(("of_target", "of_route", "expected"), [(0.02, 9.0, 0.02), (9.0, 0.02, 0.02)])
async def test_the_tighter_of_the_targets_and_the_routes_timeouts_holds(
    of_target: float, of_route: float, expected: float
) -> None:
    slow = target("a/m", timeouts=Timeouts(first_content_s=of_target, idle_s=of_target, total_s=of_target))
    vendors = Vendors(a=30.0)
    with pytest.raises(UpstreamTimeout):
        await vendors.ask(
            targets=(slow,), timeouts=Timeouts(first_content_s=of_route, idle_s=of_route, total_s=of_route)
        )
    given = vendors.calls[0]
    assert given.timeouts is not None
    assert (given.timeouts.idle_s, given.timeouts.first_content_s) == (expected, expected)
    assert given.deadline_s <= now_s() + expected

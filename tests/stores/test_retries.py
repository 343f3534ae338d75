"""Further attempts are a share of the traffic, whatever fails, and healthy targets are not kept from anybody."""

from __future__ import annotations

import asyncio

import pytest

from gateway.stores.retries import MINIMUM, QUIET_S, WINDOW_S, HedgeShare, RetryBudget, Ticket
from tests.given import Clock

FOR_EVER = float("inf")


def budget_after(requests: int, clock: Clock | None = None) -> RetryBudget:
    budget = RetryBudget(clock or Clock())
    for _ in range(requests):
        budget.request()
    return budget


def wasted(budget: RetryBudget, most: int = 1_000, percent: float = 20) -> int:
    """Return how many attempts one after another come to nothing before there is no more leave."""
    for number in range(most):
        ticket = budget.take("a/m", percent)
        if ticket is None:
            return number
        ticket.settle(is_wasted=True)
    return most


@pytest.mark.parametrize(
    ("requests", "percent", "expected"),
    [
        (0, 20, MINIMUM),
        (50, 20, MINIMUM),
        (54, 20, MINIMUM),
        (55, 20, 11),
        (1_000, 20, 200),
        (1_000, 5, 50),
        (1_000, 100, 1_000),
        (1_000, 0, 0),
        (1_000, 1, MINIMUM),
    ],
)
def test_attempts_that_come_to_nothing_are_a_share_of_the_requests(
    requests: int, percent: float, expected: int
) -> None:
    assert wasted(budget_after(requests), 2_000, percent) == expected


def test_attempts_that_answer_cost_nothing() -> None:
    budget = budget_after(20)
    for _ in range(100):
        ticket = budget.take("a/m", 20)
        assert ticket is not None
        budget.saw("a/m", is_answer=True)
        ticket.settle(is_wasted=False)
    assert wasted(budget) == MINIMUM


def test_a_ticket_is_settled_once() -> None:
    budget = budget_after(20)
    ticket = budget.take("a/m", 20)
    assert ticket is not None
    for _ in range(3):
        ticket.settle(is_wasted=True)
    assert wasted(budget) == MINIMUM - 1


def test_what_was_wasted_is_forgotten_after_the_window() -> None:
    clock = Clock(100.0)
    budget = budget_after(0, clock)
    assert wasted(budget) == MINIMUM
    clock.now_s = 100.0 + QUIET_S - 0.1
    assert wasted(budget) == 0
    clock.now_s = 100.0 + QUIET_S
    assert wasted(budget) == MINIMUM


def test_the_share_of_a_busy_gateway_comes_back_sooner_than_the_least_of_a_quiet_one() -> None:
    clock = Clock(100.0)
    budget = budget_after(100, clock)
    assert wasted(budget) == 20
    clock.now_s = 100.0 + WINDOW_S
    assert wasted(budget) == 0  # nobody has asked since, and the least was used
    for _ in range(100):
        budget.request()
    assert wasted(budget) == 20


@pytest.mark.parametrize("per_s", [1, 4, 5, 20, 100])
def test_an_outage_of_minutes_stays_within_the_share_at_any_rate(per_s: int) -> None:
    clock = Clock(100.0)
    budget = budget_after(0, clock)
    attempts = requests = 0
    for second in range(180):
        clock.now_s = 100.0 + second
        for _ in range(per_s):
            budget.request()
            requests += 1
            attempts += wasted(budget, most=1)
    assert attempts <= max(requests * 0.2, 3 * MINIMUM) + MINIMUM


def test_requests_are_forgotten_after_the_window_too() -> None:
    clock = Clock(100.0)
    budget = budget_after(1_000, clock)
    clock.now_s = 100.0 + WINDOW_S - 0.1
    assert wasted(budget, most=100) == 100
    budget = budget_after(1_000, clock)
    clock.now_s += WINDOW_S
    assert wasted(budget) == MINIMUM


# ---------------------------------------------------------------- many at the same moment


async def asked_at_once(budget: RetryBudget, many: int, *, is_answer: bool) -> int:
    """Let so many calls fail at once and go to the same target; return how many asked it."""
    asked = 0

    async def go_on() -> None:
        nonlocal asked
        ticket = await budget.leave("a/m", 20, FOR_EVER)
        if ticket is None:
            return
        asked += 1
        await asyncio.sleep(0.001)
        budget.saw("a/m", is_answer=is_answer)
        ticket.settle(is_wasted=not is_answer)

    async with asyncio.timeout(20):
        await asyncio.gather(*(go_on() for _ in range(many)))
    return asked


@pytest.mark.parametrize(("many", "expected"), [(9, 9), (10, 10), (11, 10), (200, 40)])
async def test_a_crowd_that_fails_at_once_wastes_no_more_than_the_share(many: int, expected: int) -> None:
    assert await asked_at_once(budget_after(many), many, is_answer=False) == expected


async def test_a_crowd_whose_next_target_answers_is_served_whole() -> None:
    assert await asked_at_once(budget_after(500), 500, is_answer=True) == 500


async def test_what_a_target_has_answered_is_room_for_as_many_at_once() -> None:
    budget = budget_after(0)
    for _ in range(5):
        budget.saw("a/m", is_answer=True)
    tickets = [budget.take("a/m", 20) for _ in range(MINIMUM + 6)]
    assert sum(ticket is not None for ticket in tickets) == MINIMUM + 5
    assert budget.take("b/m", 20) is None


async def test_a_failure_ends_the_credit_of_a_target() -> None:
    budget = budget_after(0)
    for _ in range(5):
        budget.saw("a/m", is_answer=True)
    budget.saw("a/m", is_answer=False)
    assert sum(budget.take("a/m", 20) is not None for _ in range(MINIMUM + 6)) == MINIMUM


async def holding_all(budget: RetryBudget) -> list[Ticket]:
    tickets = [budget.take("a/m", 20) for _ in range(MINIMUM)]
    assert budget.take("a/m", 20) is None
    return [ticket for ticket in tickets if ticket is not None]


async def test_who_waits_for_leave_waits_until_its_deadline_at_most() -> None:
    budget = budget_after(0)
    await holding_all(budget)
    assert await budget.leave("a/m", 20, asyncio.get_running_loop().time() + 0.01) is None


async def test_who_left_while_it_waited_takes_nobodys_place() -> None:
    budget = budget_after(0)
    tickets = await holding_all(budget)
    waiting = [asyncio.ensure_future(budget.leave("a/m", 20, FOR_EVER)) for _ in range(4)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    tickets[0].settle(is_wasted=False)  # tells two of them, of which the first is leaving
    waiting[1].cancel()
    async with asyncio.timeout(5):
        assert await waiting[2] is not None
    assert not waiting[3].done()
    tickets[1].settle(is_wasted=False)
    async with asyncio.timeout(5):
        assert await waiting[3] is not None


# ---------------------------------------------------------------- hedges


@pytest.mark.parametrize(("percent", "expected"), [(0, 0), (1, 10), (5, 50), (50, 500), (100, 1_000)])
def test_hedges_are_never_more_than_their_share(percent: float, expected: int) -> None:
    share = HedgeShare()
    taken = 0
    for number in range(1, 1_001):
        share.request("r", percent)
        taken += share.take("r")
        assert taken <= number * percent / 100
    assert taken == expected


def test_what_was_saved_in_quiet_times_is_bounded_and_each_routes_own() -> None:
    share = HedgeShare()
    for _ in range(10_000):
        share.request("quiet", 5)
    assert [share.take("quiet") for _ in range(7)] == [True] * 5 + [False] * 2
    assert not share.take("other")

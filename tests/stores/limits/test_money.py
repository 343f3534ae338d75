"""Money per key and period: exactly as much is admitted as is covered, and what is held is settled once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.types import Period as Window
from tests.given import Clock
from tests.stores.limits.counting import Budgets


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def at(text: str) -> tuple[Clock, Budgets]:
    clock = Clock(moment(text))
    return clock, Budgets(clock)


@pytest.mark.parametrize(("limit", "admitted"), [(999, 9), (1000, 10), (1001, 10), (99, 0), (100, 1)])
def test_exactly_as_many_are_admitted_as_are_covered(limit: int, admitted: int) -> None:
    _, budgets = at("2026-11-23T10:00")
    held = [budgets.reserve("k", "day", limit, 100) for _ in range(1000)]
    assert sum(reservation is not None for reservation in held) == admitted
    assert budgets.spent("k", "day") == admitted * 100


async def test_concurrent_calls_cannot_race_past_a_budget() -> None:
    """Pain 12: exactly k of 1,000."""
    _, budgets = at("2026-11-23T10:00")

    async def one() -> bool:
        await asyncio.sleep(0)
        held = budgets.reserve("k", "day", 700, 100)
        await asyncio.sleep(0)
        if held is not None:
            budgets.settle(held, 100)
        return held is not None

    assert sum(await asyncio.gather(*(one() for _ in range(1000)))) == 7
    assert budgets.spent("k", "day") == 700


def test_a_refusal_holds_nothing() -> None:
    _, budgets = at("2026-11-23T10:00")
    assert budgets.reserve("k", "day", 100, 101) is None
    assert budgets.spent("k", "day") == 0
    assert budgets.reserve("k", "day", 100, 100) is not None


def test_what_costs_nothing_known_is_refused_once_the_budget_is_spent() -> None:
    _, budgets = at("2026-11-23T10:00")
    assert budgets.reserve("k", "day", 100, 0) is not None
    held = budgets.reserve("k", "day", 100, 100)
    assert held is not None
    assert budgets.reserve("k", "day", 100, 0) is None
    budgets.settle(held, 99)
    assert budgets.reserve("k", "day", 100, 0) is not None


@pytest.mark.parametrize("cost", [0, 40, 100, 250])
def test_settling_puts_the_cost_in_the_place_of_what_was_held(cost: int) -> None:
    _, budgets = at("2026-11-23T10:00")
    other = budgets.reserve("k", "day", 1000, 300)
    held = budgets.reserve("k", "day", 1000, 100)
    assert other is not None
    assert held is not None
    budgets.settle(held, cost)
    assert budgets.spent("k", "day") == 300 + cost


def test_keys_and_periods_have_budgets_of_their_own() -> None:
    _, budgets = at("2026-11-23T10:00")
    assert budgets.reserve("a", "day", 100, 100) is not None
    assert budgets.reserve("b", "day", 100, 100) is not None
    assert budgets.reserve("a", "month", 100, 100) is not None
    assert budgets.reserve("a", "day", 100, 1) is None


EDGES: list[tuple[Window, str, str]] = [
    ("hour", "2026-11-23T10:59:59.999", "2026-11-23T11:00"),
    ("day", "2026-11-23T23:59:59.999", "2026-11-24T00:00"),
    ("month", "2026-11-30T23:59:59.999", "2026-12-01T00:00"),
    ("month", "2026-12-31T23:59:59.999", "2027-01-01T00:00"),
    ("month", "2028-02-29T23:59:59.999", "2028-03-01T00:00"),
    ("month", "2026-01-31T23:59:59.999", "2026-02-01T00:00"),
]


@pytest.mark.parametrize(("window", "last", "first"), EDGES)
def test_a_period_ends_at_its_edge_and_not_before(window: Window, last: str, first: str) -> None:
    clock, budgets = at(last)
    assert budgets.reserve("k", window, 100, 100) is not None
    assert budgets.reserve("k", window, 100, 100) is None
    assert budgets.resets_in_s(window) == pytest.approx(0.001, abs=1e-6)
    clock.now_s = moment(first)
    assert budgets.spent("k", window) == 0
    assert budgets.reserve("k", window, 100, 100) is not None


@pytest.mark.parametrize(
    ("window", "seconds"), [("hour", 3600 - 60), ("day", 86_400 - 60), ("month", 30 * 86_400 - 60), ("total", None)]
)
def test_the_end_of_a_period_is_told(window: Window, seconds: float | None) -> None:
    _, budgets = at("2026-11-01T00:01")
    assert budgets.resets_in_s(window) == seconds


def test_a_total_budget_never_starts_anew() -> None:
    clock, budgets = at("2026-11-23T10:00")
    assert budgets.reserve("k", "total", 100, 100) is not None
    clock.now_s = moment("2036-01-01T00:00")
    assert budgets.reserve("k", "total", 100, 1) is None


def test_a_call_that_ends_in_the_next_period_is_not_charged_to_it() -> None:
    clock, budgets = at("2026-11-23T23:59:59")
    held = budgets.reserve("k", "day", 100, 60)
    assert held is not None
    clock.now_s += 2
    assert budgets.reserve("k", "day", 100, 30) is not None
    budgets.settle(held, 60)
    assert budgets.spent("k", "day") == 30


def test_a_call_that_ends_after_the_next_period_changes_nothing() -> None:
    clock, budgets = at("2026-11-23T12:00")
    held = budgets.reserve("k", "day", 100, 60)
    assert held is not None
    for _ in range(2):
        clock.now_s += 86_400
        assert budgets.reserve("k", "day", 100, 30) is not None
    claim, state = held
    assert budgets.counters.settle(claim, state.place, 60) is None
    assert (budgets.spent("k", "day"), budgets.counters.held) == (30, 60)  # of the running day, and of that before


def test_a_clock_that_goes_back_over_an_edge_forgives_nothing() -> None:
    clock, budgets = at("2026-11-24T00:00:01")
    assert budgets.reserve("k", "day", 100, 80) is not None
    clock.now_s -= 5  # the day before, as its clock was set right
    assert budgets.spent("k", "day") == 80
    assert budgets.reserve("k", "day", 100, 30) is None
    held = budgets.reserve("k", "day", 100, 20)
    assert held is not None
    clock.now_s += 10
    budgets.settle(held, 15)
    assert budgets.spent("k", "day") == 95


def test_nobody_is_remembered_beyond_his_period() -> None:
    clock, budgets = at("2026-11-23T10:00")
    for index in range(1000):
        assert budgets.reserve(f"ip:{index}", "hour", 100, 1) is not None
    for _ in range(2):  # the period before is kept for the calls that began in it
        clock.now_s += 3600
        assert budgets.reserve("ip:0", "hour", 100, 1) is not None
    assert len(budgets.counters._spans["hour"]) == 2
    assert all(len(span.money) == 1 for span in budgets.counters._spans["hour"])


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["reserve", "settle", "wait"]), st.integers(0, 120), st.integers(0, 5)), max_size=40
)


@given(OPERATIONS)
def test_what_is_spent_is_the_sum_of_what_is_held_and_what_was_settled(operations: list[tuple[str, int, int]]) -> None:
    """Pain 17: the sum of the rows equals the counter, over the ends of periods too."""
    clock, budgets = at("2026-11-23T10:00")
    rows: dict[int, tuple[str, int]] = {}
    open_ = []
    for index, (operation, amount, place) in enumerate(operations):
        hour = datetime.fromtimestamp(clock.now_s, UTC).isoformat()[:13]
        if operation == "wait":
            clock.now_s += amount * 20
        elif operation == "reserve":
            held = budgets.reserve("k", "hour", 300, amount)
            spent = sum(cost for period, cost in rows.values() if period == hour)
            assert (held is not None) == (spent < 300 and spent + amount <= 300)
            if held is not None:
                rows[index] = (hour, amount)
                open_.append((index, held))
        elif open_:
            row, held = open_.pop(place % len(open_))
            budgets.settle(held, amount)
            rows[row] = (rows[row][0], amount)
        hour = datetime.fromtimestamp(clock.now_s, UTC).isoformat()[:13]
        assert budgets.spent("k", "hour") == sum(cost for period, cost in rows.values() if period == hour)

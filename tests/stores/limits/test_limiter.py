"""All claims or none, in this process and while Redis is away: what then holds is what each limit says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.quantities import rate
from gateway.stores.limits import Claim, Hold, Limiter, Refusal, meters_of
from gateway.types import AwayPolicy, Budget, Limit
from gateway.upstream.alerts import crossed
from tests.given import Clock


def limit(name: str = "limit", away: AwayPolicy = "local_share", **more: object) -> Limit:
    return Limit(name, while_away=away, **more)  # type: ignore[arg-type]


def claims_on(limit_: Limit, amount: int = 1) -> list[Claim]:
    return [Claim(meter, "all", amount) for meter in meters_of(limit_)]


async def admitted(limiter: Limiter, claims: Sequence[Claim], count: int) -> list[Hold]:
    answers = await asyncio.gather(*(limiter.reserve(claims) for _ in range(count)))
    return [answer for answer in answers if isinstance(answer, Hold)]


@pytest.mark.parametrize("most", [0, 1, 5, 999])
async def test_exactly_as_many_of_a_thousand_are_admitted(most: int) -> None:
    """Pain 12, 13: concurrent calls never pass a limit together."""
    limiter = Limiter(Clock())
    for limit_ in (
        limit("calls at once", concurrent=most),
        limit("money", budgets=(Budget(most * 10 + 9, "day"),)),
        *([limit("requests", rates=(("requests", rate(f"{most}/hour")),))] if most else []),
    ):
        amount = 10 if limit_.budgets else 1
        assert len(await admitted(limiter, claims_on(limit_, amount), 1_000)) == most


async def test_of_who_is_refused_by_a_later_limit_nothing_is_remembered() -> None:
    limiter = Limiter(Clock())
    each = limit("each", rates=(("requests", rate("10/minute")),), concurrent=10, budgets=(Budget(1_000, "day"),))
    all_ = claims_on(limit("all", concurrent=1))
    strangers = [[Claim(meter, f"stranger {n}", 1) for meter in meters_of(each)] for n in range(3)]
    first = await limiter.reserve([*strangers[0], *all_])
    before = len(limiter.local._windows), sorted(name for name, _ in limiter.local.subjects())
    refused = [await limiter.reserve([*each_of, *all_]) for each_of in strangers[1:]]
    assert all(isinstance(answer, Refusal) and answer.claim is all_[0] for answer in refused)
    assert (len(limiter.local._windows), sorted(name for name, _ in limiter.local.subjects())) == before
    assert isinstance(first, Hold)
    again = await limiter.reserve([*strangers[0], *all_])  # what is remembered of somebody stays
    assert isinstance(again, Refusal)
    assert [state.left for claim, state in again.states if claim.meter.kind == "window"] == [9]
    first.settle(lambda claim: 0)
    assert limiter.local.held == 0


async def test_who_is_refused_takes_nothing_from_a_call_that_holds_nothing_yet() -> None:
    limiter = Limiter(Clock())
    money = meters_of(limit("money", budgets=(Budget(1_000, "day"),)))[0]
    first = await limiter.reserve([Claim(money, "all", 0)])  # nobody could say what it would cost
    refused = await limiter.reserve([Claim(money, "all", 5), *claims_on(limit("none", concurrent=0))])
    assert isinstance(refused, Refusal)
    assert isinstance(first, Hold)
    first.settle(lambda claim: 400)
    after = await limiter.reserve([Claim(money, "all", 1)])
    assert [state.left for _, state in after.states] == [599]


async def test_a_call_that_ends_makes_room_for_another() -> None:
    limiter = Limiter(Clock())
    claims = claims_on(limit(concurrent=3))
    held = await admitted(limiter, claims, 10)
    assert len(held) == 3
    for hold in held:
        hold.settle(lambda claim: claim.amount)
        hold.settle(lambda claim: claim.amount)  # once
    assert limiter.local.held == 0
    assert len(await admitted(limiter, claims, 10)) == 3


async def test_a_refusal_by_one_takes_nothing_of_the_others() -> None:
    limiter = Limiter(Clock())
    full = limit("full", concurrent=0)
    other = limit("other", concurrent=5, budgets=(Budget(100, "day"),), rates=(("requests", rate("5/hour")),))
    found = await limiter.reserve([*claims_on(other), *claims_on(full)])
    assert isinstance(found, Refusal)
    assert found.claim.meter.limit is full
    assert [limiter.local.state(claim).left for claim in claims_on(other)] == [5, 5, 100]
    assert limiter.local.held == 0


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60), st.booleans()), max_size=40))
async def test_after_all_is_settled_nothing_is_held_and_the_sum_is_what_was_used(
    calls: list[tuple[int, int, bool]],
) -> None:
    limiter = Limiter(Clock())
    limit_ = limit(concurrent=4, budgets=(Budget(300, "total"),), rates=(("tokens", rate("200/hour")),))
    spent = tokens = 0
    late: list[tuple[Hold, int]] = []
    for amount, cost, is_late in calls:
        claims = [Claim(meter, "all", 1 if meter.kind == "concurrent" else amount) for meter in meters_of(limit_)]
        found = await limiter.reserve(claims)
        if isinstance(found, Refusal):
            continue
        spent, tokens = spent + cost, tokens + cost
        late.append((found, cost))
        if not is_late:
            hold, used = late.pop()
            hold.settle(lambda claim, used=used: used)  # type: ignore[misc]
    for hold, used in late:
        hold.settle(lambda claim, used=used: used)  # type: ignore[misc]
    assert limiter.local.held == 0
    window, running, money = (limiter.local.state(claim).left for claim in claims_on(limit_))
    assert (window, running, money) == (max(0, 200 - tokens), 4, max(0, 300 - spent))


# ---------------------------------------------------------------- while Redis is away


def alone(living: int = 1) -> Limiter:
    """A limiter whose Redis is wanted and cannot be reached."""
    limiter = Limiter(Clock())
    limiter.shared._url = "redis://127.0.0.1:1/0"
    limiter.shared.living = living
    return limiter


@pytest.mark.parametrize(("living", "passed"), [(1, 12), (2, 6), (5, 2), (100, 1)])
async def test_each_process_counts_its_share(living: int, passed: int) -> None:
    claims = claims_on(limit(rates=(("requests", rate("12/hour")),)))
    assert len(await admitted(alone(living), claims, 50)) == passed


async def test_a_closed_limit_refuses_and_says_why() -> None:
    limiter = alone()
    limits = [limit("o", "open", concurrent=1), limit("c", "closed", concurrent=1)]
    found = await limiter.reserve([claim for each in limits for claim in claims_on(each)])
    assert isinstance(found, Refusal)
    assert found.is_away
    assert limiter.local.held == 0


async def test_an_open_limit_lets_pass_and_its_money_is_told_later() -> None:
    limiter = alone()
    claims = claims_on(limit("open", "open", concurrent=1, budgets=(Budget(5, "day"),)))
    held = await admitted(limiter, claims, 20)
    assert len(held) == 20
    for hold in held:
        hold.settle(lambda claim: 7)
    [owed] = limiter.shared._owed.values()
    assert (owed.held, owed.used) == (0, 140)


async def test_a_budgets_share_is_that_of_what_was_left() -> None:
    limiter = alone(living=2)
    [claim] = claims_on(limit(budgets=(Budget(1_000, "day"),)), 10)
    limiter._left[claim.key] = 100
    assert len(await admitted(limiter, [claim], 50)) == 5


# ---------------------------------------------------------------- alerts


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(0, 49, []), (50, 79, []), (79, 80, [80]), (80, 99, []), (0, 100, [50, 80, 100]), (100, 200, []), (49, 50, [50])],
)
def test_a_threshold_is_told_by_whoever_crosses_it(before: int, after: int, told: list[int]) -> None:
    assert crossed((50, 80, 100), 100, before, after) == told


@given(st.lists(st.integers(0, 30), max_size=30))
async def test_every_threshold_is_told_once_whatever_the_steps(steps: list[int]) -> None:
    told: list[int] = []
    limiter = Limiter(Clock(), lambda claim, before, after: told.extend(crossed((50, 100), 100, before, after)))
    claims = claims_on(limit(budgets=(Budget(100, "day"),)), 0)
    for step in steps:
        found = await limiter.reserve(claims)
        if isinstance(found, Hold):
            found.settle(lambda claim, step=step: step)  # type: ignore[misc]
    spent = limiter.local._look(claims[0], 0, limiter.now()).taken
    assert told == [percent for percent in (50, 100) if spent >= percent]

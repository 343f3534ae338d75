"""May they: requests per window and money per period; a refusal consumes nothing, and money is settled once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chain import close
from gateway.config import quantities
from gateway.errors import BudgetExceeded, GatewayError, RateLimited, UpstreamCut
from gateway.middlewares import quota
from gateway.middlewares.claims import rules_of
from gateway.middlewares.quota import Quota
from gateway.stores.limits import Claim, Limiter, meters_of, periods
from gateway.types import Budget, Call, Chat, Client, Handler, Limit, Message, Price, Reply, Text
from tests.given import Clock, call, drained, reply, target

PRICED = target(price=Price(per_request=100))


def limit(*requests: str, budget: Budget | None = None, **more: Any) -> Limit:
    rates = tuple(("requests", quantities.rate(text)) for text in requests)
    return Limit("quota", rates=rates, budgets=(budget,) if budget else (), **more)  # type: ignore[arg-type]


class Setup:
    """Counters on one clock, and the middleware over them."""

    def __init__(self, *requests: str, budget: Budget | None = None) -> None:
        self.clock = Clock()
        self.limiter = Limiter(self.clock)
        self.limit = limit(*requests, budget=budget)
        self.quota = Quota((self.limit,), self.limiter)
        self.handled = 0

    def spent(self) -> int:
        """What is spent or held of the budget."""
        return self.limiter.local._look(Claim(meters_of(self.limit)[-1], "key=key-1", 0), 0, self.clock()).taken

    async def handler(self, asked: Call) -> Reply:
        self.handled += 1
        return reply()

    async def ask(self, asked: Call | None = None, handler: Handler | None = None) -> Reply:
        return await self.quota(asked or call(targets=(PRICED,)), handler or self.handler)

    async def granted(self, count: int) -> int:
        granted = 0
        for _ in range(count):
            try:
                await self.ask()
                granted += 1
            except GatewayError:
                pass
        return granted


def costing(nano_usd: int | None, *, closers: tuple[Any, ...] = ()) -> Handler:
    async def handler(asked: Call) -> Reply:
        asked.receipt.cost_nano_usd = nano_usd
        return reply(closers=closers)

    return handler


@pytest.mark.parametrize(("asked", "granted"), [(2, 2), (3, 3), (4, 3)])
async def test_requests_are_granted_up_to_the_limit(asked: int, granted: int) -> None:
    setup = Setup("3/minute")
    assert await setup.granted(asked) == granted == setup.handled


async def test_a_refusal_says_when_to_come_back_and_then_it_passes() -> None:
    setup = Setup("2/minute", "100/hour")
    await setup.granted(2)
    with pytest.raises(RateLimited) as caught:
        await setup.ask()
    wait_s = caught.value.retry_after_s
    assert wait_s is not None
    setup.clock.now_s += wait_s
    await setup.ask()


async def test_answers_tell_what_is_left_of_the_limit_nearest_to_its_end() -> None:
    setup = Setup("10/minute", "12/hour")
    seen = []
    for _ in range(3):
        asked = call()
        await setup.ask(asked)
        seen.append(asked.receipt.headers)
        setup.clock.now_s += 200  # the minute's is whole again, the hour's is not
    assert [headers["x-ratelimit-limit-requests"] for headers in seen] == ["10", "12", "12"]
    assert [headers["x-ratelimit-remaining-requests"] for headers in seen] == ["9", "10", "9"]
    assert all(headers["x-ratelimit-reset-requests"].endswith("s") for headers in seen)


async def test_a_refused_answer_tells_it_too() -> None:
    setup = Setup("1/minute")
    await setup.granted(1)
    asked = call()
    with pytest.raises(RateLimited):
        await setup.ask(asked)
    assert asked.receipt.headers["x-ratelimit-remaining-requests"] == "0"


async def test_clients_do_not_share_a_limit() -> None:
    setup = Setup("1/minute")
    for name in ("a", "b", "ip:10.0.0.1", "ip:10.0.0.2"):
        await setup.ask(call(client=Client(name, "t")))
    with pytest.raises(RateLimited, match="'key=a'"):
        await setup.ask(call(client=Client("a", "t")))


@pytest.mark.parametrize("kept", [1, 1_000])
async def test_the_limits_of_a_key_are_its_own_and_keys_with_the_same_ones_have_counters_of_their_own(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota, "MAX_OWN", kept)
    setup = Setup("100/minute")
    one, three = (limit("1/hour"),), (limit("3/hour"),)
    keys = [Client(name, "t", limits=own) for name, own in (("a", one), ("b", three), ("c", one), ("d", ()))]
    for _ in range(10):
        for key in keys:
            with suppress(RateLimited):
                await setup.ask(call(client=key))
    assert setup.handled == 1 + 3 + 1 + 10
    assert len(setup.quota._own) <= kept


async def test_the_rules_of_a_keys_limits_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup("100/minute")
    made = Mock(side_effect=rules_of)
    monkeypatch.setattr(quota, "rules_of", made)
    key = Client("a", "t", limits=(limit("100/hour"),))
    for _ in range(5):
        await setup.ask(call(client=key))
    made.assert_called_once_with(key.limits)


# ---------------------------------------------------------------- money


@pytest.mark.parametrize(("limit", "granted"), [(299, 2), (300, 3), (301, 3), (99, 0)])
async def test_exactly_as_many_are_admitted_as_the_budget_covers(limit: int, granted: int) -> None:
    setup = Setup(budget=Budget(limit, "day"))
    found = await asyncio.gather(*(setup.ask(call(targets=(PRICED,))) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(answer, Reply) for answer in found) == granted
    assert all(isinstance(answer, Reply | BudgetExceeded) for answer in found)


async def test_a_refusal_by_the_budget_counts_no_request() -> None:
    """Pain 16."""
    setup = Setup("3/minute", budget=Budget(100, "day"))
    assert await setup.granted(10) == 1
    assert setup.limiter.local.state(Claim(meters_of(setup.limit)[0], "key=key-1", 1)).left == 2


async def test_a_refusal_by_the_rate_holds_no_money() -> None:
    """Pain 16."""
    setup = Setup("1/minute", budget=Budget(1000, "day"))
    assert await setup.granted(10) == 1
    assert setup.spent() == 100


@pytest.mark.parametrize(("cost", "spent"), [(None, 0), (0, 0), (40, 40), (250, 250)])
async def test_what_was_held_is_settled_at_what_it_cost(cost: int | None, spent: int) -> None:
    setup = Setup(budget=Budget(1000, "day"))
    answer = await setup.ask(handler=costing(cost))
    assert setup.spent() == 100
    await close(answer)
    assert setup.spent() == spent


async def test_it_is_settled_once_however_often_it_is_closed() -> None:
    setup = Setup(budget=Budget(1000, "day"))
    answer = await setup.ask(handler=costing(40))
    for _ in range(3):
        await close(answer)
    assert setup.spent() == 40


async def test_it_is_settled_after_what_is_inside_was_closed() -> None:
    setup = Setup(budget=Budget(1000, "day"))
    asked = call(targets=(PRICED,))

    async def bill() -> None:
        asked.receipt.cost_nano_usd = 70

    await close(await setup.ask(asked, costing(None, closers=(bill,))))
    assert setup.spent() == 70


@pytest.mark.parametrize("fault", [UpstreamCut("cut"), asyncio.CancelledError(), RuntimeError("ours")])
async def test_a_call_that_fails_is_settled_at_what_it_had_cost_by_then(fault: BaseException) -> None:
    setup = Setup(budget=Budget(1000, "day"))

    async def failing(asked: Call) -> Reply:
        asked.receipt.cost_nano_usd = 30
        raise fault

    with pytest.raises(type(fault)):
        await setup.ask(handler=failing)
    assert setup.spent() == 30


async def test_a_call_that_is_cancelled_while_it_waits_holds_nothing() -> None:
    """Pain 14."""
    setup = Setup(budget=Budget(1000, "day"))

    async def waiting(asked: Call) -> Reply:
        await asyncio.sleep(60)
        raise AssertionError

    tasks = [asyncio.create_task(setup.ask(handler=waiting)) for _ in range(5)]
    await asyncio.sleep(0)
    assert setup.spent() == 500
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert setup.spent() == 0


async def test_the_dearest_target_decides_what_is_held() -> None:
    setup = Setup(budget=Budget(1000, "day"))
    dear = target("other/dear", price=Price(per_request=700))
    await setup.ask(call(targets=(PRICED, dear, target("free/unpriced"))))
    assert setup.spent() == 700


async def test_a_refusal_by_the_budget_says_when_it_starts_anew() -> None:
    setup = Setup(budget=Budget(150, "hour"))
    await setup.ask()
    with pytest.raises(BudgetExceeded, match="does not cover") as caught:
        await setup.ask()
    assert caught.value.retry_after_s == periods.ends_in_s("hour", setup.clock())
    with pytest.raises(BudgetExceeded) as total:
        await Setup(budget=Budget(50, "total")).ask()
    assert total.value.retry_after_s is None


@given(st.lists(st.tuples(st.sampled_from(["ok", "cut", "late"]), st.integers(0, 300)), max_size=20))
async def test_after_all_is_closed_what_is_spent_is_what_it_cost(calls: list[tuple[str, int]]) -> None:
    setup = Setup("9/minute", budget=Budget(1000, "total"))
    expected = 0
    late = []
    for how, cost in calls:

        async def handler(asked: Call, how: str = how, cost: int = cost) -> Reply:
            asked.receipt.cost_nano_usd = cost
            if how == "cut":
                raise UpstreamCut("cut")
            return reply()

        try:
            answer = await setup.ask(handler=handler)
        except UpstreamCut:
            expected += cost
        except (RateLimited, BudgetExceeded):
            continue
        else:
            expected += cost
            late.append(answer)
            if how == "ok":
                await close(late.pop())
    for answer in late:
        await close(answer)
    assert setup.spent() == expected


# ---------------------------------------------------------------- in the chain


async def test_the_answer_is_passed_on() -> None:
    setup = Setup()
    assert await drained((await setup.ask(call(Chat((Message("user", (Text("x"),)),))))).events) == []

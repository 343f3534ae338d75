"""Who waits for a slot sends his body meanwhile, and however it ends neither a slot nor a place is left behind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from gateway.errors import GatewayError, Overloaded, TooLarge
from gateway.server.admission import admitted, timed
from gateway.stores.slots import Slot, Slots
from gateway.types import Attempt, Concurrency, Done, Inbound, Receipt, Reply
from tests.given import call, head, reply
from tests.proofs.virtual.loop import run

BODY = Inbound(head(), b"{}")


def slots(most: int = 1, queue: int = 10, max_wait_s: float = 5.0) -> Slots:
    made = Slots("server")
    made.use(Concurrency(most, None, queue, max_wait_s))
    return made


class Body:
    """A body that takes a while to come, or cannot be taken."""

    def __init__(self, takes_s: float = 0.0, error: GatewayError | None = None) -> None:
        self.takes_s = takes_s
        self.error = error
        self.state = "unread"

    async def read(self) -> Inbound:
        self.state = "reading"
        try:
            await asyncio.sleep(self.takes_s)
        except asyncio.CancelledError:
            self.state = "given up"
            raise
        self.state = "read"
        if self.error is not None:
            raise self.error
        return BODY


async def ask(made: Slots, body: Body, receipt: Receipt | None = None) -> tuple[Slot, Inbound]:
    return await admitted(made, receipt or Receipt("request-1", 0.0), float("inf"), body.read)


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_where_there_is_room_the_body_is_read_at_once() -> None:
    async def test() -> None:
        made, receipt = slots(), Receipt("request-1", 0.0)
        slot, inbound = await ask(made, Body(1.0), receipt)
        assert (inbound, made.running, receipt.queued_s) == (BODY, 1, 0.0)
        slot.release()
        assert made.running == 0

    run(lambda _: test(), 0)


def test_a_body_that_cannot_be_taken_holds_nothing() -> None:
    async def test() -> None:
        made = slots()
        with pytest.raises(TooLarge):
            await ask(made, Body(1.0, TooLarge("large")))
        assert made.running == 0

    run(lambda _: test(), 0)


def test_who_is_refused_at_once_is_not_read() -> None:
    async def test() -> None:
        made, body, receipt = slots(queue=0), Body(), Receipt("request-1", 0.0)
        await made.take("a")
        before_s = now_s()
        with pytest.raises(Overloaded, match="the gateway is at its limit of 1 calls at once, and 0 wait") as caught:
            await ask(made, body, receipt)
        assert (body.state, now_s() - before_s, caught.value.retry_after_s) == ("unread", 0.0, 1.0)
        assert not receipt.is_one_of_many
        with pytest.raises(Overloaded):
            await ask(made, body, receipt)
        assert receipt.is_one_of_many

    run(lambda _: test(), 0)


@pytest.mark.parametrize(("body_s", "turn_s", "there_s"), [(1.0, 3.0, 3.0), (3.0, 1.0, 3.0), (2.0, 2.0, 2.0)])
def test_who_waits_is_read_meanwhile(body_s: float, turn_s: float, there_s: float) -> None:
    async def test() -> None:
        made, receipt, before_s = slots(), Receipt("request-1", 0.0), now_s()
        first = await made.take("a")
        asyncio.get_running_loop().call_later(turn_s, first.release)
        slot, inbound = await ask(made, Body(body_s), receipt)
        assert inbound == BODY
        assert now_s() - before_s == pytest.approx(there_s)
        assert receipt.queued_s == pytest.approx(turn_s)
        assert (made.running, made.waiting) == (1, 0)
        slot.release()
        assert made.running == 0

    run(lambda _: test(), 0)


@pytest.mark.parametrize(("body_s", "turn_s"), [(1.0, 2.0), (2.0, 1.0)])
def test_a_body_that_turns_out_bad_leaves_the_queue_or_gives_the_slot_back(body_s: float, turn_s: float) -> None:
    async def test() -> None:
        made, before_s = slots(), now_s()
        first = await made.take("a")
        asyncio.get_running_loop().call_later(turn_s, first.release)
        with pytest.raises(TooLarge):
            await ask(made, Body(body_s, TooLarge("large")))
        assert now_s() - before_s == pytest.approx(body_s)
        assert (made.running, made.waiting) == (int(turn_s > body_s), 0)

    run(lambda _: test(), 0)


def test_when_the_wait_is_over_no_more_is_read() -> None:
    async def test() -> None:
        made, body = slots(max_wait_s=1.0), Body(9.0)
        await made.take("a")
        with pytest.raises(Overloaded, match=r"no turn came within 1\.0 s"):
            await ask(made, body)
        assert (body.state, made.running, made.waiting) == ("given up", 1, 0)

    run(lambda _: test(), 0)


@pytest.mark.parametrize("seed", range(10))
def test_whoever_leaves_at_whatever_moment_nothing_is_held(seed: int) -> None:
    dice = random.Random(seed)

    async def one(made: Slots) -> None:
        error = TooLarge("large") if dice.random() < 0.2 else None
        try:
            slot, _ = await ask(made, Body(dice.choice([0.0, 0.001, 0.01]), error))
        except GatewayError:
            return
        try:
            await asyncio.sleep(dice.choice([0.0, 0.001, 0.005]))
        finally:
            slot.release()

    async def test() -> None:
        made = slots(2, 5, 0.01)
        tasks = []
        for _ in range(300):
            tasks.append(asyncio.create_task(one(made)))
            if dice.random() < 0.5:
                await asyncio.sleep(dice.choice([0.0, 0.001]))
            if dice.random() < 0.5:
                dice.choice(tasks[-5:]).cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert (made.running, made.waiting) == (0, 0)
        assert {type(outcome) for outcome in outcomes} == {type(None), asyncio.CancelledError}
        assert len(asyncio.all_tasks()) == 1

    run(lambda _: test(), 0)


class Learner:
    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []

    def answered(self, began_s: float) -> None:
        self.heard.append(("answered", now_s() - began_s))

    def failed(self, error: BaseException, began_s: float) -> None:
        self.heard.append((type(error).__name__, now_s() - began_s))


@pytest.mark.parametrize(
    ("error", "outcome", "heard"),
    [
        (None, "ok", [("answered", 1.0)]),
        (None, "cached", []),
        (None, None, []),
        (Overloaded("x"), None, [("Overloaded", 1.0)]),
        (asyncio.CancelledError(), None, [("CancelledError", 1.0)]),
    ],
)
def test_an_adaptive_limit_is_told_what_the_chain_took(
    error: BaseException | None, outcome: str | None, heard: list[Any]
) -> None:
    async def test() -> None:
        learner = Learner()

        async def chain(asked: Any) -> Reply:
            await asyncio.sleep(1.0)
            if error is not None:
                raise error
            return reply(Done())

        made = call()
        if outcome is not None:
            made.receipt.attempts.append(Attempt("a/m", outcome=outcome))
        handle = cast(Callable[[Any], Awaitable[Reply]], timed(chain, cast(Slot, learner)))
        if error is None:
            await handle(made)
        else:
            with pytest.raises(type(error)):
                await handle(made)
        assert [(what, pytest.approx(took_s)) for what, took_s in learner.heard] == heard

    run(lambda _: test(), 0)

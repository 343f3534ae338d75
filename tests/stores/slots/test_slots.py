"""Exactly as many run as may, those beyond wait in bounds, and whoever leaves leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.errors import UpstreamMalformed, UpstreamTimeout
from gateway.stores.slots import NoSlot, Slot, Slots
from gateway.types import Concurrency
from tests.proofs.virtual.loop import run

STEP_S = 0.001


def slots(most: int = 2, queue: int = 3, max_wait_s: float = 5.0, least: int | None = None) -> Slots:
    made = Slots("server")
    made.use(Concurrency(most, least, queue, max_wait_s))
    return made


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def taken(made: Slots, count: int, tenant: str = "a") -> list[Slot]:
    return [await made.take(tenant) for _ in range(count)]


async def waiting(made: Slots, *tenants: str) -> list[asyncio.Task[Slot]]:
    """Let one call of each tenant take its place in the queue, in this order."""
    tasks = []
    for tenant in tenants:
        tasks.append(asyncio.create_task(made.take(tenant)))
        await asyncio.sleep(0)
    return tasks


async def refusal(take: Coroutine[Any, Any, Slot]) -> NoSlot:
    with pytest.raises(NoSlot) as caught:
        await take
    return caught.value


@pytest.mark.parametrize("most", [1, 2, 5])
def test_as_many_run_as_may_and_the_next_one_waits(most: int) -> None:
    async def test() -> None:
        made = slots(most)
        held = await taken(made, most - 1)
        assert not made.is_full
        held += await taken(made, 1)
        assert (made.is_full, made.running, made.waiting) == (True, most, 0)
        (task,) = await waiting(made, "a")
        assert (task.done(), made.running, made.waiting) == (False, most, 1)
        held[0].release()
        held[0].release()  # twice does no harm
        await task
        assert (made.running, made.waiting) == (most, 0)
        (await task).release()
        for slot in held:
            slot.release()
        assert made.running == 0

    run(lambda _: test(), 0)


def test_the_queue_takes_as_many_as_it_says_and_refuses_the_next_at_once() -> None:
    async def test() -> None:
        made = slots(1, queue=2)
        await taken(made, 1)
        await waiting(made, "a", "a")
        before_s = now_s()
        found = await refusal(made.take("a"))
        assert (found.reason, now_s() - before_s, made.waiting) == ("full", 0.0, 2)
        assert made.refused == {"full": 1, "displaced": 0, "too_long": 0, "deadline": 0}

    run(lambda _: test(), 0)


def test_without_a_queue_nobody_waits() -> None:
    async def test() -> None:
        made = slots(1, queue=0)
        (slot,) = await taken(made, 1)
        for tenant in ("a", "b"):
            assert (await refusal(made.take(tenant))).reason == "full"
        slot.release()
        assert (await made.take("b")) is not None

    run(lambda _: test(), 0)


def test_in_a_full_queue_the_tenant_with_most_loses_its_newest() -> None:
    async def test() -> None:
        made = slots(1, queue=3)
        (slot,) = await taken(made, 1)
        tasks = await waiting(made, "flood", "flood", "flood")
        (other,) = await waiting(made, "quiet")
        await asyncio.sleep(0)
        assert [task.done() for task in (*tasks, other)] == [False, False, True, False]
        assert (await refusal(_outcome(tasks[2]))).reason == "displaced"
        (second,) = await waiting(made, "quiet")  # two each would be more than the flood has
        assert (await refusal(_outcome(second))).reason == "full"
        slot.release()
        (await tasks[0]).release()
        assert (await other) is not None

    run(lambda _: test(), 0)


async def _outcome(task: asyncio.Task[Slot]) -> Slot:
    return await task


def test_one_call_beside_a_thousand_of_another_tenant_is_second() -> None:
    async def test() -> None:
        made = slots(1, queue=2000, max_wait_s=1e6)
        slot = (await taken(made, 1))[0]
        order: list[str] = []

        async def work(tenant: str) -> None:
            own = await made.take(tenant)
            order.append(tenant)
            await asyncio.sleep(1)
            own.release()

        tasks = [asyncio.create_task(work("flood")) for _ in range(1000)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(work("quiet")))
        await asyncio.sleep(0)
        assert made.waiting == 1001
        slot.release()
        await asyncio.gather(*tasks)
        assert order.index("quiet") < 2
        assert (made.running, made.waiting) == (0, 0)

    run(lambda _: test(), 0)


@pytest.mark.parametrize(("until_s", "waits_s"), [(float("inf"), 5.0), (5.0, 5.0), (4.9, 4.9), (5.1, 5.0)])
def test_a_wait_ends_with_the_queues_deadline_or_the_calls(until_s: float, waits_s: float) -> None:
    async def test() -> None:
        made = slots(1, max_wait_s=5.0)
        await taken(made, 1)
        before_s = now_s()
        found = await refusal(made.take("a", before_s + until_s))
        assert found.reason == "deadline"
        assert now_s() - before_s == pytest.approx(waits_s)
        assert (made.running, made.waiting) == (1, 0)
        assert sum(made.waits) == 1
        assert made.waited_s == pytest.approx(waits_s)

    run(lambda _: test(), 0)


@pytest.mark.parametrize(("frees_after_s", "is_served"), [(4.999, True), (5.001, False)])
def test_a_slot_just_before_the_deadline_is_taken(frees_after_s: float, is_served: bool) -> None:
    async def test() -> None:
        made = slots(1, max_wait_s=5.0)
        (slot,) = await taken(made, 1)
        asyncio.get_running_loop().call_later(frees_after_s, slot.release)
        if is_served:
            await made.take("a")
        else:
            assert (await refusal(made.take("a"))).reason == "deadline"
        await asyncio.sleep(1)
        assert made.running == int(is_served)

    run(lambda _: test(), 0)


def test_a_call_whose_time_is_over_does_not_wait() -> None:
    async def test() -> None:
        made = slots(1)
        await taken(made, 1)
        assert (await refusal(made.take("a", now_s()))).reason == "deadline"

    run(lambda _: test(), 0)


def test_a_wait_that_cannot_be_over_in_time_is_not_begun() -> None:
    async def test() -> None:
        made = slots(2, queue=100, max_wait_s=5.0)
        for slot in await taken(made, 2):
            await asyncio.sleep(1)
            slot.release()  # held 1 and 2 s: the mean is 1.1 s, so a turn comes about every 0.55 s
        await taken(made, 2)
        await waiting(made, *["a"] * 9)
        assert made.waiting == 9  # the ninth turn comes in 4.95 s
        found = await refusal(made.take("a"))
        assert found.reason == "too_long"
        assert found.retry_after_s == pytest.approx(5.5)
        await waiting(made, "b")  # whose turn is second
        assert made.waiting == 10

    run(lambda _: test(), 0)


def test_when_to_come_back_is_an_estimate_within_bounds() -> None:
    async def test() -> None:
        for held_s, expected_s in ((0.01, 1.0), (4.0, 4.0), (1000.0, 30.0)):
            made = slots(1, queue=0)
            (slot,) = await taken(made, 1)
            await asyncio.sleep(held_s)
            slot.release()
            await taken(made, 1)
            assert (await refusal(made.take("a"))).retry_after_s == pytest.approx(expected_s)

    run(lambda _: test(), 0)


def test_who_leaves_frees_his_place_at_once() -> None:
    async def test() -> None:
        made = slots(1, queue=2)
        (slot,) = await taken(made, 1)
        first, second = await waiting(made, "a", "a")
        first.cancel()
        await asyncio.sleep(0)
        assert made.waiting == 1
        slot.release()
        await second
        assert made.running == 1

    run(lambda _: test(), 0)


def test_a_slot_that_was_given_to_one_who_leaves_in_that_moment_goes_on() -> None:
    async def test() -> None:
        for leaves_first in (True, False):
            made = slots(1)
            (slot,) = await taken(made, 1)
            first, second = await waiting(made, "a", "a")
            for step in (first.cancel, slot.release) if leaves_first else (slot.release, first.cancel):
                step()
            await second
            assert first.cancelled()
            assert (made.running, made.waiting) == (1, 0)

    run(lambda _: test(), 0)


def test_other_numbers_hold_at_once_and_nobody_who_waits_is_dropped() -> None:
    async def test() -> None:
        made = slots(1, queue=3)
        (slot,) = await taken(made, 1)
        tasks = await waiting(made, "a", "a", "a")
        made.use(Concurrency(3, queue=0))  # two of them run, and the third waits beyond the new queue
        await asyncio.sleep(0)
        assert ([task.done() for task in tasks], made.running, made.waiting) == ([True, True, False], 3, 1)
        made.use(Concurrency(1, queue=0))
        slot.release()
        (await tasks[0]).release()
        assert (made.running, tasks[2].done()) == (1, False)  # as many as may run
        (await tasks[1]).release()
        await tasks[2]
        assert made.running == 1
        (last,) = await waiting(made, "a")
        assert (await refusal(_outcome(last))).reason == "full"

    run(lambda _: test(), 0)


def test_where_the_limit_is_taken_away_all_run() -> None:
    async def test() -> None:
        made = slots(1, queue=10)
        await taken(made, 1)
        tasks = await waiting(made, *["a"] * 10)
        made.use(None)
        assert len(await asyncio.gather(*tasks)) == 10
        assert (made.running, made.is_full) == (11, False)

    run(lambda _: test(), 0)


def test_a_storm_of_refusals_is_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        made = slots(1, queue=0)
        await taken(made, 1)
        news = [(await refusal(made.take("a"))).is_news for _ in range(1000)]
        assert news == [True] + [False] * 999
        await asyncio.sleep(9.99)
        assert not (await refusal(made.take("a"))).is_news
        await asyncio.sleep(0.01)
        assert (await refusal(made.take("a"))).is_news

    with caplog.at_level(logging.WARNING, "gateway"):
        run(lambda _: test(), 0)
    assert [record.getMessage() for record in caplog.records] == [
        "server is at its limit of 1 calls at once: 1 refused since it was last said; 0 wait",
        "server is at its limit of 1 calls at once: 1001 refused since it was last said; 0 wait",
    ]


def test_an_adaptive_limit_goes_down_by_what_says_that_it_is_too_much_and_lets_more_wait() -> None:
    async def test() -> None:
        made = slots(100, queue=100, least=2)
        assert made.limit == 20
        slot = (await taken(made, 1))[0]
        slot.failed(UpstreamMalformed("nobody's load"), now_s())
        assert made.limit == 20
        slot.failed(UpstreamTimeout("slow"), now_s())
        assert made.limit == 18
        made.use(Concurrency(5, 1))
        assert made.limit == 5
        made.use(Concurrency(50))
        assert made.limit == 50

    run(lambda _: test(), 0)


@pytest.mark.parametrize("seed", range(20))
def test_whoever_is_cancelled_whenever_nothing_is_left_behind(seed: int) -> None:
    """Random calls of random tenants, cancelled, refused, served, and reloads in between."""
    dice = random.Random(seed)

    async def test() -> None:
        made = slots(3, queue=8, max_wait_s=0.02)
        outcomes: list[str] = []
        most = [0]

        async def work(tenant: str) -> None:
            try:
                slot = await made.take(tenant, now_s() + dice.choice([0.005, 1.0]))
            except NoSlot as found:
                outcomes.append(found.reason)
                return
            try:
                most[0] = max(most[0], made.running)
                await asyncio.sleep(dice.random() * 0.01)
                outcomes.append("served")
            finally:
                slot.release()

        tasks = []
        for number in range(400):
            tasks.append(asyncio.create_task(work(dice.choice("aaab"))))
            if dice.random() < 0.5:
                await asyncio.sleep(dice.random() * 0.004)
            if dice.random() < 0.4:
                dice.choice(tasks).cancel()
            if number % 50 == 49:
                made.use(Concurrency(dice.randint(1, 4), None, dice.randint(0, 8), 0.02))
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (made.running, made.waiting) == (0, 0)
        assert most[0] <= 4
        assert {"served", "full", "deadline"} <= set(outcomes)

    run(lambda _: test(), 0)

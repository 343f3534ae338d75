"""An adaptive limit finds what a vendor can do, in a simulation: a vendor that does `can` calls at once in the same
time, and lets those beyond wait in a queue of its own."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.stores.slots import NoSlot, Slots
from gateway.stores.slots.gradient import BACK_OFF_S, WINDOW_ANSWERS, WINDOW_S, Gradient
from gateway.types import Concurrency
from tests.proofs.virtual.loop import run

TAKES_S = 0.1


class Vendor:
    def __init__(self, can: int, takes_s: float = TAKES_S) -> None:
        self.room = asyncio.Semaphore(can)
        self.takes_s = takes_s
        self.dice = random.Random(7)
        self.served = 0

    async def serve(self) -> None:
        async with self.room:
            await asyncio.sleep(self.takes_s * self.dice.uniform(0.5, 1.5))
        self.served += 1


async def load(slots: Slots, vendor: Vendor, per_s: float, for_s: float) -> None:
    """Send calls at random moments, `per_s` a second, however they fare."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def one() -> None:
        try:
            slot = await slots.take("a")
        except NoSlot:
            return
        began_s = loop.time()
        await vendor.serve()
        slot.answered(began_s)
        slot.release()

    until_s = loop.time() + for_s
    while loop.time() < until_s:
        await asyncio.sleep(vendor.dice.expovariate(per_s))
        task = asyncio.create_task(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


def adaptive(most: int = 500) -> Slots:
    slots = Slots("vendor/*")
    slots.use(Concurrency(most, 2, queue=10, max_wait_s=1.0))
    return slots


@pytest.mark.parametrize("can", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_at_three_times_what_a_vendor_can_the_limit_settles_a_little_above_that(can: int) -> None:
    async def test() -> None:
        slots, vendor = adaptive(), Vendor(can)
        await load(slots, vendor, 3 * can / TAKES_S, 30)
        found = []
        served = vendor.served
        for _ in range(10):
            await load(slots, vendor, 3 * can / TAKES_S, 2)
            found.append(slots.limit)
        assert can * 0.9 <= sorted(found)[5] <= can * 2.5
        assert max(found) <= can * 3
        assert vendor.served - served >= 0.9 * 20 * can / TAKES_S  # 20 s, and next to nothing lost in them

    run(lambda _: test(), 0)


def test_a_vendor_that_becomes_slow_for_good_and_quick_again_is_followed() -> None:
    async def test() -> None:
        slots, vendor = adaptive(), Vendor(10)
        await load(slots, vendor, 300, 20)
        before = slots.limit
        vendor.takes_s = 3 * TAKES_S  # not by load: it is slower, and 10 at once are still right
        await load(slots, vendor, 100, 120)
        assert 7 <= slots.limit <= before * 2
        vendor.takes_s = TAKES_S
        await load(slots, vendor, 300, 20)
        assert 8 <= slots.limit <= 30

    run(lambda _: test(), 0)


def test_with_little_to_do_the_limit_does_not_grow() -> None:
    async def test() -> None:
        slots, vendor = adaptive(), Vendor(100)
        await load(slots, vendor, 20, 60)  # two at once
        assert slots.limit == 20

    run(lambda _: test(), 0)


def fed(gradient: Gradient, took_s: float, windows: int, running: int = 100, now_s: float = 0.0) -> float:
    for _ in range(windows):
        now_s += WINDOW_S
        for _ in range(WINDOW_ANSWERS):
            gradient.answered(now_s + WINDOW_S - took_s, now_s + WINDOW_S, running)
    return now_s


def test_it_keeps_its_bounds() -> None:
    gradient = Gradient(5, 60)
    fed(gradient, 0.1, 40)
    assert gradient.limit == 60
    gradient.bound(5, 30)
    assert gradient.limit == 30
    fed(gradient, 50.0, 30, now_s=1000.0)
    assert 5 <= gradient.limit <= 8  # by the root of the limit more than the least
    assert Gradient(1, 3).limit == 3
    assert Gradient(50, 60).limit == 50


def test_refusals_that_come_together_count_once() -> None:
    gradient = Gradient(1, 100)
    for after_s in (0.0, BACK_OFF_S / 2, BACK_OFF_S * 1.01):
        gradient.refused(10.0 + after_s)
    assert gradient.limit == 16  # 20, 18, 16
    for number in range(100):
        gradient.refused(20.0 + number)
    assert gradient.limit == 1


@pytest.mark.parametrize(("after_s", "becomes"), [(0.14, "the same"), (0.16, "more"), (1.0, "less")])
def test_calls_that_are_given_up_count_where_they_took_longer_than_they_should(after_s: float, becomes: str) -> None:
    gradient = Gradient(1, 100)
    now_s = fed(gradient, 0.1, 8)
    before = gradient.limit
    for number in range(20 * WINDOW_ANSWERS):
        given_up_s = now_s + number * 0.1
        gradient.given_up(given_up_s - after_s, given_up_s, 100)
    assert ("more" if gradient.limit > before else "less" if gradient.limit < before else "the same") == becomes

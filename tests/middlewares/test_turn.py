"""At a provider's limit the next target with room is asked; where none has, a call waits where it is wanted most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.chain import close, compose
from gateway.config.model import Config, Keys, Route, Server
from gateway.config.model import Failover as Policy
from gateway.errors import GatewayError, TargetBusy, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from gateway.middlewares import failover, turn
from gateway.services import open_services
from gateway.types import (
    Call,
    Client,
    Concurrency,
    Done,
    Event,
    Handler,
    Receipt,
    Reply,
    Target,
    TextDelta,
    Verbatim,
)
from tests.given import attempting, call, drained, reply, target

ONE = Concurrency(1, queue=1, max_wait_s=0.05)


def limited(name: str, policy: Concurrency | None) -> Target:
    row = target(name)
    return replace(row, provider=replace(row.provider, concurrency=policy, models={row.model.name: row.model}))


@dataclass
class House:
    """The two links around vendors that answer at once, but for those named in `failing`."""

    targets: tuple[Target, ...]
    policy: Policy = field(default_factory=Policy)
    failing: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.services = open_services()
        route = Route("POST", "/", "openai.chat", failover=self.policy)
        config = Config(Server(), Keys(), {one.provider.name: one.provider for one in self.targets}, (), (route,))
        self.services.slots.use(config)
        links = [module.build(route, config, self.services) for module in (failover, turn)]
        self.handler: Handler = compose([link for link in links if link is not None], self._vendor)

    async def _vendor(self, given: Call) -> Reply:
        assert given.target is not None
        self.asked.append(given.target.provider.name)
        if given.target.provider.name in self.failing:
            raise UpstreamUnavailable("down")
        return reply(TextDelta("a"), Done())

    def call(self, **more: Any) -> Call:
        return call(targets=self.targets, **more)

    async def ask(self, **more: Any) -> tuple[Reply, Receipt]:
        made = self.call(**more)
        return await self.handler(made), made.receipt

    def running(self) -> list[int]:
        return [slots.running for one in self.targets for slots in self.services.slots.of(one)]


def names(receipt: Receipt) -> list[str]:
    return [attempt.target for attempt in receipt.attempts]


def test_without_limits_the_link_is_not_there() -> None:
    row = target("a/m")
    config = Config(Server(), Keys(), {"a": row.provider}, (), ())
    route = Route("POST", "/", "openai.chat")
    assert turn.build(route, config, open_services()) is None
    assert turn.table_for(config, open_services()) is None


async def test_a_stream_holds_its_slot_until_it_is_closed() -> None:
    house = House((limited("a/m", ONE),))
    answer, _ = await house.ask()
    assert house.running() == [1]
    await drained(answer.events)
    assert house.running() == [1]
    await close(answer)
    await close(answer)
    assert house.running() == [0]


async def test_beyond_the_limit_the_next_target_is_asked_at_once_and_the_receipt_says_why() -> None:
    house = House((limited("a/m", ONE), limited("b/m", None)), Policy(attempts=1))
    first, receipt = await house.ask()
    assert (house.asked, receipt.skipped) == (["a"], [])
    _, receipt = await house.ask()
    assert house.asked == ["a", "b"]
    assert receipt.skipped == [("a/m", "is at its limit of 1 calls at once")]
    await close(first)
    await house.ask()
    assert house.asked == ["a", "b", "a"]


async def test_where_the_others_fail_the_one_at_its_limit_is_waited_for() -> None:
    house = House((limited("a/m", replace(ONE, max_wait_s=5.0)), limited("b/m", None)), failing=frozenset("b"))
    first, _ = await house.ask()
    waiting = asyncio.create_task(house.ask())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await close(first)
    answer, receipt = await waiting
    assert (house.asked, names(receipt)) == (["a", "b", "a"], ["b/m", "a/m"])
    assert receipt.attempts[1].queued_s > 0.01
    await close(answer)
    assert house.running() == [0]


async def test_where_all_are_at_their_limits_a_call_waits_for_the_first() -> None:
    house = House((limited("a/m", replace(ONE, max_wait_s=5.0)), limited("b/m", ONE)))
    first, _ = await house.ask()
    second, _ = await house.ask()
    waiting = asyncio.create_task(house.ask())
    await asyncio.sleep(0)
    await close(first)
    answer, receipt = await waiting
    assert (names(receipt), receipt.skipped) == (["a/m"], [])
    for one in (second, answer):
        await close(one)
    assert house.running() == [0, 0]


async def test_who_is_told_to_wait_waits_though_another_has_room() -> None:
    patient = replace(ONE, is_patient=True, max_wait_s=5.0)
    house = House((limited("a/m", patient), limited("b/m", None)))
    first, _ = await house.ask()
    waiting = asyncio.create_task(house.ask())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await close(first)
    await waiting
    assert house.asked == ["a", "a"]


async def test_after_the_wait_the_next_target_is_asked() -> None:
    house = House((limited("a/m", replace(ONE, is_patient=True)), limited("b/m", None)))
    await house.ask()
    _, receipt = await house.ask()
    assert [(attempt.target, attempt.outcome) for attempt in receipt.attempts] == [
        ("a/m", "provider_busy"),
        ("b/m", "open"),
    ]


async def test_where_nobody_is_left_the_client_is_told_when_to_come_back() -> None:
    house = House((limited("a/m", ONE),))
    await house.ask()
    with pytest.raises(TargetBusy, match=r"a/\* is at its limit of 1 calls at once, no turn came within") as caught:
        await house.ask()
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1.0)
    assert house.asked == ["a"]


async def test_a_wait_leaves_half_of_the_time_to_the_vendor() -> None:
    house = House((limited("a/m", replace(ONE, max_wait_s=5.0)),), Policy(first_content_s=0.1))
    await house.ask()
    with pytest.raises(TargetBusy, match=r"within 0\.[01] s"):
        await house.ask()


async def test_a_wait_ends_before_the_calls_deadline_and_is_not_the_vendors_slowness() -> None:
    house = House((limited("a/m", replace(ONE, max_wait_s=5.0)),))
    await house.ask()
    for left_s in (0.5, 0.0):
        with pytest.raises(TargetBusy):
            await house.ask(deadline_s=asyncio.get_running_loop().time() + left_s)
    assert house.asked == ["a"]


async def test_a_models_own_limit_does_not_hold_the_providers_slots() -> None:
    row = limited("a/m", Concurrency(5))
    own = replace(row.model, concurrency=replace(ONE, max_wait_s=5.0))
    row = Target(replace(row.provider, models={"m": own}), own)
    house = House((row,))
    assert house.running() == [0, 0]
    first, _ = await house.ask()
    waiting = asyncio.create_task(house.ask())
    await asyncio.sleep(0)
    assert house.running() == [1, 1]  # who waits for the model holds nothing of the provider
    waiting.cancel()
    await close(first)
    assert house.running() == [0, 0]


async def test_an_attempt_that_fails_or_is_cancelled_gives_its_slot_back() -> None:
    house = House((limited("a/m", ONE),), failing=frozenset("a"))
    with pytest.raises(UpstreamUnavailable):
        await house.ask()
    assert house.running() == [0]


async def test_tenants_wait_in_turn() -> None:
    house = House((limited("a/m", Concurrency(1, queue=10)),))
    first, _ = await house.ask()
    order = []

    async def one(tenant: str) -> None:
        answer, _ = await house.ask(client=Client("k", tenant))
        order.append(tenant)
        await close(answer)

    tasks = []
    for tenant in ("flood", "flood", "flood", "quiet"):
        tasks.append(asyncio.create_task(one(tenant)))
        await asyncio.sleep(0)
    await close(first)
    await asyncio.gather(*tasks)
    assert order == ["flood", "quiet", "flood", "flood"]


class Told:
    """Stands where an adaptive limit learns."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def answered(self, began_s: float, now_s: float, running: int) -> None:
        self.heard.append("answered")

    def given_up(self, began_s: float, now_s: float, running: int) -> None:
        self.heard.append("given up")

    def refused(self, now_s: float) -> None:
        self.heard.append("refused")

    limit = 5


async def taught(events: list[Event | BaseException], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[int]]:
    """Return what the limit heard of an answer by when each event was there."""
    house = House((limited("a/m", Concurrency(5, 1)),))
    told = Told()
    (slots,) = house.services.slots.of(house.targets[0])
    monkeypatch.setattr(slots, "_gradient", told)

    async def vendor(given: Call) -> Reply:
        async def said() -> AsyncIterator[Event]:
            for event in events:
                if isinstance(event, BaseException):
                    raise event
                yield event

        return Reply(said())

    link = turn.Turn(house.services.slots, 1.0)
    made = attempting(house.call(at=house.targets[0]), "a/m")
    answer = await link(made, vendor)
    counts = []
    with suppress(GatewayError, asyncio.CancelledError):
        async for _ in answer.events:
            counts.append(len(told.heard))
    await close(answer)
    assert house.running() == [0]
    return told.heard, counts


async def test_an_adaptive_limit_learns_when_the_first_content_comes_not_the_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[Event | BaseException] = [
        Verbatim(b": hello", is_content=False),
        TextDelta("a"),
        TextDelta("b"),
        Done(),
    ]
    assert await taught(events, monkeypatch) == (["answered"], [0, 1, 1, 1])


@pytest.mark.parametrize(
    ("error", "heard"),
    [(UpstreamTimeout("slow"), "refused"), (asyncio.CancelledError(), "given up"), (UpstreamMalformed("odd"), None)],
)
@pytest.mark.parametrize("is_late", [False, True])
async def test_how_an_answer_breaks_off_teaches_only_before_its_content(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, heard: str | None, is_late: bool
) -> None:
    events: list[Event | BaseException] = [TextDelta("a"), error] if is_late else [error]
    expected = ["answered"] if is_late else [heard] if heard else []
    assert (await taught(events, monkeypatch))[0] == expected


async def test_who_leaves_while_he_waits_leaves_at_once_and_it_was_no_time_of_the_vendor() -> None:
    house = House((limited("a/m", replace(ONE, max_wait_s=5.0)),))
    first, _ = await house.ask()
    made = house.call()

    async def wait() -> Reply:
        return await house.handler(made)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.02)
    (slots,) = house.services.slots.of(house.targets[0])
    assert slots.waiting == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    attempt = made.receipt.attempts[0]
    assert (slots.waiting, slots.running, house.asked) == (0, 1, ["a"])
    assert (attempt.outcome, attempt.cost_nano_usd) == ("cancelled", None)
    assert attempt.ended_s is not None
    assert attempt.queued_s == pytest.approx(attempt.ended_s - attempt.started_s, abs=0.01)
    await close(first)

"""A share of the calls is sent to a shadow once they are over; nobody sees anything of it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.chain import close
from gateway.errors import UpstreamCut, UpstreamUnreachable
from gateway.middlewares.shadow import COPIED_BYTES, MOST_S, Shadowing
from gateway.services import Services, open_services
from gateway.stores.slots import Slots
from gateway.types import (
    SHADOW,
    Attempt,
    Call,
    Choice,
    Client,
    Concurrency,
    Done,
    Place,
    Recording,
    Reply,
    Scopes,
    Shadow,
    Target,
    TextDelta,
    Upload,
)
from tests.given import call, drained, recording_call, reply, target

NEW = target("new/m")


def shadowed(percent: float = 100, in_flight: int = 10) -> tuple[Target, ...]:
    choice = Choice("fast", shadow=Shadow(NEW, percent, in_flight))
    return (target("old/m", place=Place(choice, "old/m")),)


class Vendor:
    """What stands inside: it answers, and remembers the calls for the shadow."""

    def __init__(self) -> None:
        self.copies: list[Call] = []
        self.read: list[bytes] = []
        self.error: BaseException | None = None
        self.outcome = "ok"
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, asked: Call) -> Reply:
        attempt = Attempt(asked.targets[0].name, outcome=self.outcome, cost_nano_usd=7)
        asked.receipt.attempts.append(attempt)
        if asked.targets != (NEW,):
            return reply(TextDelta("4"), Done())
        self.copies.append(asked)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        asked.receipt.cost_nano_usd = 7
        if isinstance(asked.body, Recording):
            self.read.append(asked.body.audio.read())
        return reply(TextDelta("4"), Done())


class Setup:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.vendor = Vendor()
        self.chance = 0.0
        self.shadowing = Shadowing(services, lambda: self.chance)

    async def ask(self, asked: Call) -> None:
        """Ask, read the answer, and close it as the server does."""
        answer = await self.shadowing(asked, self.vendor)
        assert await drained(answer.events) == [TextDelta("4"), Done()]
        await close(answer)

    async def over(self) -> None:
        """Wait until no copy is under way."""
        async with asyncio.timeout(5):
            while self.services.shadows.in_flight("fast new/m"):
                await asyncio.sleep(0.001)

    def counted(self, outcome: str) -> float:
        name = "gateway_shadow_requests_total"
        labels = {"target": "new/m", "outcome": outcome}
        return self.services.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    services = open_services()
    yield Setup(services)
    await services.aclose()


async def test_a_copy_goes_out_once_the_answer_is_over_and_not_before(setup: Setup) -> None:
    answer = await setup.shadowing(call(targets=shadowed()), setup.vendor)
    await drained(answer.events)
    await asyncio.sleep(0)
    assert setup.vendor.copies == []
    await close(answer)
    await setup.over()
    assert len(setup.vendor.copies) == 1
    assert setup.counted("ok") == 1


async def test_a_copy_has_nothing_of_its_callers_but_the_request(setup: Setup) -> None:
    asked = call(targets=shadowed(), raw=b"{}", stream=True, deadline_s=30.0)
    await setup.ask(asked)
    await setup.over()
    (copy,) = setup.vendor.copies
    assert (copy.body, copy.raw, copy.stream, copy.targets, copy.target) == (asked.body, b"{}", True, (NEW,), None)
    receipt = copy.receipt
    assert (receipt.id, copy.id) == ("request-1-shadow", "request-1-shadow")
    assert (receipt.client, receipt.tenant, receipt.route) == (SHADOW, SHADOW, SHADOW)
    assert (copy.client.name, copy.client.tenant, copy.client.limits) == (SHADOW, SHADOW, ())
    assert copy.deadline_s == pytest.approx(receipt.started_s + 30.0)
    mine = asked.receipt
    assert [attempt.target for attempt in mine.attempts] == ["old/m"]
    assert (mine.cost_nano_usd, mine.headers) == (None, {})
    cost = setup.services.metrics.registry.get_sample_value("gateway_shadow_cost_usd_total", {"target": "new/m"})
    assert cost == pytest.approx(7e-9)


async def test_a_copy_ends_where_its_call_might_last_for_ever(setup: Setup) -> None:
    await setup.ask(call(targets=shadowed()))
    await setup.over()
    (copy,) = setup.vendor.copies
    assert copy.deadline_s == pytest.approx(copy.receipt.started_s + MOST_S)


@pytest.mark.parametrize(("chance", "is_copied"), [(0.0, True), (0.0499, True), (0.05, False), (0.9, False)])
async def test_its_share_is_a_percentage(setup: Setup, chance: float, is_copied: bool) -> None:
    setup.chance = chance
    await setup.ask(call(targets=shadowed(percent=5)))
    await setup.over()
    assert len(setup.vendor.copies) == is_copied


async def test_all_are_all(setup: Setup) -> None:
    setup.chance = 1 - 2**-53  # the most that `random` gives
    await setup.ask(call(targets=shadowed(percent=100)))
    await setup.over()
    assert len(setup.vendor.copies) == 1


@pytest.mark.parametrize("outcome", ["aborted", "upstream_cut", "open"])
async def test_what_was_not_answered_to_the_end_is_not_copied(setup: Setup, outcome: str) -> None:
    setup.vendor.outcome = outcome
    await setup.ask(call(targets=shadowed()))
    await setup.over()
    assert setup.vendor.copies == []


async def test_a_client_that_keeps_to_some_providers_keeps_its_copies_to_them(setup: Setup) -> None:
    asked = call(targets=shadowed())
    for given in (
        replace(asked, provider="old"),
        call(targets=shadowed(), client=Client("k", "t", scopes=Scopes(providers=("old",)))),
    ):
        await setup.ask(given)
        await setup.over()
        assert setup.vendor.copies == []
    await setup.ask(call(targets=shadowed(), client=Client("k", "t", scopes=Scopes(providers=("new",)))))
    await setup.over()
    assert len(setup.vendor.copies) == 1


async def test_without_a_shadow_nothing_is_done(setup: Setup) -> None:
    answer = await setup.shadowing(call(targets=(target("old/m"),)), setup.vendor)
    assert answer.closers == ()


async def test_more_than_may_be_under_way_are_dropped_and_counted(setup: Setup) -> None:
    setup.vendor.gate.clear()
    for _ in range(3):
        answer = await setup.shadowing(call(targets=shadowed(in_flight=2)), setup.vendor)
        await drained(answer.events)
        await close(answer)
    assert (setup.services.shadows.in_flight("fast new/m"), setup.counted("dropped")) == (2, 1)
    setup.vendor.gate.set()
    await setup.over()
    assert (setup.counted("ok"), setup.counted("dropped")) == (2, 1)


@pytest.mark.parametrize("error", [UpstreamUnreachable("gone"), UpstreamCut("cut")])
async def test_what_goes_wrong_with_it_is_counted_and_nothing_else(setup: Setup, error: Any) -> None:
    setup.vendor.error = error
    await setup.ask(call(targets=shadowed()))
    await setup.over()
    assert setup.counted(error.code) == 1


async def test_a_shadow_that_is_ejected_is_left_alone(setup: Setup) -> None:
    breakers = setup.services.breakers
    breakers.use([NEW])
    policy = NEW.breaker
    for _ in range(policy.consecutive):
        watched = breakers.began(NEW)
        assert watched is not None
        watched.ended(NEW, UpstreamUnreachable("gone"))
    await setup.ask(call(targets=shadowed()))
    await setup.over()
    assert (setup.counted("ejected"), setup.vendor.copies) == (1, [])


async def test_a_shadow_that_has_no_room_is_left_to_callers(setup: Setup) -> None:
    slots = Slots("new/m")
    slots.use(Concurrency(max=1))
    setup.services.slots = SimpleNamespace(of=lambda target: [slots] if target is NEW else [])  # type: ignore[assignment]
    taken = await slots.take("tenant-1", asyncio.get_running_loop().time() + 1)
    await setup.ask(call(targets=shadowed()))
    await setup.over()
    assert (setup.counted("dropped"), setup.vendor.copies) == (1, [])
    taken.release()
    await setup.ask(call(targets=shadowed()))
    await setup.over()
    assert (setup.counted("ok"), len(setup.vendor.copies)) == (1, 1)


async def test_one_that_never_ends_is_ended_at_the_deadline(setup: Setup) -> None:
    setup.vendor.gate.clear()
    await setup.ask(call(targets=shadowed(), deadline_s=0.05))
    await setup.over()
    assert setup.counted("upstream_timeout") == 1


async def test_what_is_under_way_at_the_end_of_the_process_is_ended(setup: Setup) -> None:
    setup.vendor.gate.clear()
    await setup.ask(call(targets=shadowed()))
    await asyncio.sleep(0)
    await setup.services.shadows.aclose()
    assert setup.counted("cancelled") == 1


def recorded(size: int, file: Any) -> Call:
    """Return a call whose recording is in `file`."""
    asked = recording_call(targets=shadowed())
    assert isinstance(asked.body, Recording)
    return replace(asked, body=replace(asked.body, audio=Upload("a.wav", "audio/wav", size, file)))


async def test_a_recording_that_cannot_be_kept_does_not_fail_the_call(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(number: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.dup", none_left)
    with tempfile.SpooledTemporaryFile(COPIED_BYTES) as file:
        file.write(bytes(COPIED_BYTES + 1))
        await setup.ask(recorded(COPIED_BYTES + 1, file))
    assert setup.counted("dropped") == 1


@pytest.mark.parametrize("size", [0, COPIED_BYTES, COPIED_BYTES + 1])
async def test_a_recording_outlives_its_call_for_the_copy(setup: Setup, size: int) -> None:
    data = bytes(size % 251 for size in range(size))
    setup.vendor.gate.clear()
    with tempfile.SpooledTemporaryFile(COPIED_BYTES) as file:
        file.write(data)
        await setup.ask(recorded(size, file))
    setup.vendor.gate.set()
    await setup.over()
    assert setup.vendor.read == [data]
    (copy,) = setup.vendor.copies
    assert isinstance(copy.body, Recording)
    assert copy.body.audio.file.closed

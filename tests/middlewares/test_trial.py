"""One attempt: what is held back can still be taken by another, what was given away cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.chain import close
from gateway.config.model import Failover as Policy
from gateway.config.model import Hold
from gateway.errors import GatewayError, UpstreamCut, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from gateway.types import Done, Event, Reply, TextDelta, Verbatim
from tests.given import drained
from tests.middlewares.answering import GOOD, USAGE, Answer, Vendors

FAULTS = [UpstreamCut, UpstreamTimeout, UpstreamMalformed, UpstreamUnavailable]
WORDS = tuple(TextDelta(word) for word in ["one", "two", "three", "four", "five"])


def held(**more: Any) -> Policy:
    return Policy(max_wait_s=0, hold=Hold(**more))


async def ask(policy: Policy, *, stream: bool = True, **answers: Answer) -> tuple[Vendors, Reply]:
    vendors = Vendors(**answers)
    async with asyncio.timeout(20):
        _, answer = await vendors.ask(policy=policy, stream=stream)
    return vendors, answer


@pytest.mark.parametrize("fault", [*FAULTS, None])
async def test_a_stream_that_is_held_whole_fails_over_at_any_point(fault: type[GatewayError] | None) -> None:
    """None: it ends without its end mark."""
    end: list[Event | BaseException | float] = [] if fault is None else [fault("no")]
    broken: tuple[Event | BaseException | float, ...] = (*WORDS, USAGE, *end)
    vendors, answer = await ask(held(is_all=True), a=broken, b=GOOD)
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.outcomes() == [("a/m", (fault or UpstreamCut).code), ("b/m", "ok")]
    assert vendors.last.receipt.held == "rescued"
    assert vendors.closed["a"].count == 1


async def test_what_came_after_the_vendors_own_end_is_kept_too() -> None:
    whole: tuple[Event, ...] = (*WORDS, Done(), USAGE)
    vendors, answer = await ask(held(is_all=True), a=whole)
    assert await drained(answer.events) == list(whole)
    assert vendors.outcomes() == [("a/m", "ok")]
    assert vendors.last.receipt.held == "released"


@pytest.mark.parametrize(("after", "is_rescued"), [(1, True), (2, True), (3, False), (4, False)])
async def test_so_many_events_are_held_and_no_more(after: int, is_rescued: bool) -> None:
    """Three are held: the first failure that is seen is one after the third."""
    quiet = Verbatim(b": ping\n\n", is_content=False)
    given = [event for word in WORDS[:after] for event in (quiet, word)]
    broken: tuple[Event | BaseException | float, ...] = (*given, UpstreamCut("cut"))
    vendors, answer = await ask(held(events=3), a=broken, b=GOOD)
    if is_rescued:
        assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    else:
        with pytest.raises(UpstreamCut):
            await drained(answer.events)
    assert vendors.asked == (["a", "b"] if is_rescued else ["a"])
    assert vendors.last.receipt.held == ("rescued" if is_rescued else "released")


async def test_a_failure_within_the_time_is_not_seen() -> None:
    vendors, answer = await ask(held(for_s=5.0), a=(TextDelta("x"), 0.02, TextDelta("y"), UpstreamCut("cut")), b=GOOD)
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.last.receipt.held == "rescued"


async def test_after_its_time_a_stream_goes_on_without_a_loss() -> None:
    """The event that was waited for when the time was over is the next one, and a later failure is seen."""
    given = (TextDelta("x"), 0.1, TextDelta("y"), TextDelta("z"), UpstreamCut("cut"))
    vendors, answer = await ask(held(for_s=0.02), a=given, b=GOOD)
    assert vendors.last.receipt.held == "released"
    seen: list[Event] = []

    async def read() -> None:
        async for event in answer.events:
            seen.append(event)

    with pytest.raises(UpstreamCut):
        await read()
    assert seen == [TextDelta("x"), TextDelta("y"), TextDelta("z")]
    assert vendors.outcomes() == [("a/m", "upstream_cut")]


async def test_a_stream_that_ends_while_its_time_runs_is_whole() -> None:
    vendors, answer = await ask(held(for_s=5.0), a=GOOD)
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.outcomes() == [("a/m", "ok")]


async def test_the_end_may_be_what_was_waited_for_when_the_time_was_over() -> None:
    vendors, answer = await ask(held(for_s=0.02), a=(TextDelta("x"), Done(), 0.1))
    assert await drained(answer.events) == [TextDelta("x"), Done()]
    assert vendors.outcomes() == [("a/m", "ok")]


async def test_who_leaves_while_the_next_event_is_waited_for_leaves_nothing_running() -> None:
    vendors, answer = await ask(held(for_s=0.02), a=(TextDelta("x"), 30.0, TextDelta("y")))
    before = asyncio.all_tasks()
    await close(answer)
    assert len(asyncio.all_tasks()) == len(before) - 1
    assert vendors.closed["a"].count == 1


async def test_who_leaves_in_the_middle_of_a_hold_leaves_nothing_running() -> None:
    vendors = Vendors(a=(TextDelta("x"), 30.0, TextDelta("y")))
    asking = asyncio.create_task(vendors.ask(policy=held(for_s=20), stream=True))
    while "a" not in vendors.closed:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert vendors.closed["a"].count == 1
    assert vendors.outcomes() == [("a/m", "cancelled")]


@pytest.mark.parametrize(("size", "is_rescued"), [(400, True), (3_000, False)])
async def test_what_is_held_is_bounded(size: int, is_rescued: bool) -> None:
    """What is longer is let go of, and fails as if it had not been held."""
    big = TextDelta("x" * size)
    vendors, answer = await ask(held(is_all=True, max_bytes=2_000), a=(big, TextDelta("y"), UpstreamCut("cut")), b=GOOD)
    if is_rescued:
        assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    else:
        with pytest.raises(UpstreamCut):
            await drained(answer.events)
    assert len(vendors.asked) == 1 + is_rescued


async def test_what_is_not_streamed_needs_no_hold() -> None:
    vendors, answer = await ask(held(is_all=True), stream=False, a=GOOD)
    assert vendors.last.receipt.held is None
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]


async def test_a_held_stream_that_nobody_can_answer_is_an_error_and_no_half_answer() -> None:
    vendors = Vendors(a=(*WORDS, UpstreamCut("cut")), b=(*WORDS, UpstreamTimeout("slow")))
    with pytest.raises(UpstreamTimeout):
        await vendors.ask(policy=held(is_all=True), stream=True)
    assert [closed.count for closed in vendors.closed.values()] == [1, 1]

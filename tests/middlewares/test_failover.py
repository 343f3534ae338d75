"""Which target, and which next: in the operator's order, until one gives content, and then no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.chain import close
from gateway.config.model import Failover as Policy
from gateway.errors import (
    ClientError,
    GatewayError,
    InvalidRequest,
    UnsupportedByTarget,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from gateway.middlewares.failover import Failover
from gateway.types import (
    AudioChunk,
    Call,
    Done,
    Event,
    Reply,
    Target,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Transcript,
    Vector,
    Verbatim,
)
from tests.given import call, drained, plain_plugin, reply, speech_call, target
from tests.middlewares.answering import GOOD, USAGE, Vendors


def fault(kind: type[GatewayError]) -> GatewayError:
    return kind("no")


async def test_the_first_target_that_can_answers() -> None:
    vendors = Vendors(a=GOOD, b=GOOD)
    _, answer = await vendors.ask()
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.asked == ["a"]
    assert vendors.outcomes() == [("a/m", "ok")]


FAIL_OVER = [UpstreamUnreachable, UpstreamTimeout, UpstreamCut, UpstreamMalformed, UpstreamUnavailable, UpstreamError]
FAIL_OVER += [UpstreamRateLimited, UpstreamRefusedUs, UnsupportedByTarget]


@pytest.mark.parametrize("kind", FAIL_OVER)
@pytest.mark.parametrize("is_late", [False, True])
async def test_a_failure_before_any_content_goes_to_the_next(kind: type[GatewayError], is_late: bool) -> None:
    vendors = Vendors(a=(USAGE, fault(kind)) if is_late else fault(kind), b=GOOD)
    _, answer = await vendors.ask()
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.outcomes() == [("a/m", kind.code), ("b/m", "ok")]


@pytest.mark.parametrize("kind", [UpstreamRejected, InvalidRequest, ClientError, GatewayError])
async def test_what_another_target_would_not_do_better_is_raised_at_once(kind: type[GatewayError]) -> None:
    vendors = Vendors(a=fault(kind), b=GOOD)
    with pytest.raises(kind):
        await vendors.ask()
    assert vendors.asked == ["a"]


CONTENT: list[Event] = [
    TextDelta("a"),
    ThinkingDelta("a"),
    ToolDelta(0, "{}"),
    Vector(0, [1.0]),
    AudioChunk(b"a"),
    Transcript("a"),
    Verbatim(b"a"),
]


@pytest.mark.parametrize("content", CONTENT, ids=lambda event: type(event).__name__)
async def test_failover_stops_after_the_first_content_event(content: Event) -> None:
    vendors = Vendors(a=(content, fault(UpstreamUnavailable)), b=GOOD)
    _, answer = await vendors.ask()
    with pytest.raises(UpstreamUnavailable):
        await drained(answer.events)
    assert vendors.asked == ["a"]
    assert vendors.outcomes() == [("a/m", "upstream_unavailable")]


@pytest.mark.parametrize("prelude", [USAGE, Verbatim(b": ping\n\n", is_content=False)])
async def test_what_is_no_content_does_not_stop_failover_and_is_not_shown(prelude: Event) -> None:
    vendors = Vendors(a=(prelude, fault(UpstreamCut)), b=GOOD)
    _, answer = await vendors.ask()
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]


async def test_what_came_before_the_first_content_is_not_lost() -> None:
    events = (USAGE, Verbatim(b": ping\n\n", is_content=False), TextDelta("a"), Done())
    _, answer = await Vendors(a=events).ask()
    assert await drained(answer.events) == list(events)


async def test_an_answer_that_ends_before_it_began_goes_to_the_next() -> None:
    """Pain 18."""
    vendors = Vendors(a=(), b=(USAGE,), c=GOOD)
    _, answer = await vendors.ask()
    await drained(answer.events)
    assert vendors.outcomes() == [("a/m", "upstream_cut"), ("b/m", "upstream_cut"), ("c/m", "ok")]


async def test_an_answer_that_ends_without_its_end_is_cut() -> None:
    """Pain 18: a truncated answer does not look complete."""
    vendors = Vendors(a=(TextDelta("a"), USAGE), b=GOOD)
    _, answer = await vendors.ask()
    assert [await anext(answer.events), await anext(answer.events)] == [TextDelta("a"), USAGE]
    with pytest.raises(UpstreamCut):
        await anext(answer.events)
    assert vendors.outcomes() == [("a/m", "upstream_cut")]


async def test_an_answer_without_content_is_an_answer_once_the_vendor_says_so() -> None:
    vendors = Vendors(a=(Done("length"), USAGE), b=GOOD)
    _, answer = await vendors.ask()
    assert await drained(answer.events) == [Done("length"), USAGE]
    assert vendors.outcomes() == [("a/m", "ok")]


# ---------------------------------------------------------------- deadlines


async def test_a_target_without_content_in_time_is_left_for_the_next() -> None:
    """Pains 9 and 22: a silent vendor gives no dead air."""
    vendors = Vendors(a=30.0, b=(30.0, TextDelta("late"), Done()), c=GOOD)
    _, answer = await vendors.ask(first_content_s=0.05)
    assert await drained(answer.events) == list(GOOD)  # type: ignore[arg-type]
    assert vendors.outcomes() == [("a/m", "upstream_timeout"), ("b/m", "upstream_timeout"), ("c/m", "ok")]
    assert vendors.closed["b"].count == 1


async def test_the_deadline_for_content_is_over_once_there_is_content() -> None:
    _, answer = await Vendors(a=(TextDelta("a"), 0.15, TextDelta("b"), Done())).ask(first_content_s=0.05)
    assert len(await drained(answer.events)) == 3


async def test_no_target_is_asked_after_the_calls_own_deadline() -> None:
    vendors = Vendors(a=30.0, b=GOOD, c=GOOD)
    with pytest.raises(UpstreamTimeout):
        await vendors.ask(deadline_s=asyncio.get_running_loop().time() + 0.05)
    assert vendors.asked == ["a"]


@pytest.mark.parametrize(
    ("attempts", "asked"), [(1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"]), (9, ["a", "b", "c"])]
)
async def test_attempts_are_bounded(attempts: int, asked: list[str]) -> None:
    """Pain 20."""
    no = fault(UpstreamUnavailable)
    vendors = Vendors(a=no, b=no, c=no)
    with pytest.raises(UpstreamUnavailable):
        await vendors.ask(attempts=attempts)
    assert vendors.asked == asked


async def test_the_last_error_is_the_one_that_is_raised() -> None:
    vendors = Vendors(a=fault(UpstreamUnreachable), b=UpstreamRateLimited("slow down", retry_after_s=3))
    with pytest.raises(UpstreamRateLimited) as caught:
        await vendors.ask()
    assert caught.value.retry_after_s == 3


# ---------------------------------------------------------------- what is closed


async def test_what_a_failed_attempt_opened_is_closed_before_the_next() -> None:
    vendors = Vendors(a=(USAGE, fault(UpstreamCut)), b=GOOD)
    _, answer = await vendors.ask()
    assert (vendors.closed["a"].count, vendors.closed["b"].count) == (1, 0)
    await close(answer)
    assert (vendors.closed["a"].count, vendors.closed["b"].count) == (1, 1)


async def test_a_client_that_leaves_stops_everything() -> None:
    """Pains 19 and 20: nothing is asked after he left."""
    vendors = Vendors(a=(30.0, TextDelta("late"), Done()), b=GOOD)
    asking = asyncio.create_task(vendors.ask())
    await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert vendors.asked == ["a"]
    assert vendors.closed["a"].count == 1
    assert vendors.outcomes() == [("a/m", "cancelled")]


async def test_an_answer_that_nobody_read_to_its_end_is_aborted() -> None:
    vendors = Vendors(a=GOOD)
    _, answer = await vendors.ask()
    await anext(answer.events)
    await close(answer)
    assert vendors.outcomes() == [("a/m", "aborted")]


async def test_a_fault_of_ours_closes_and_passes() -> None:
    vendors = Vendors(a=(USAGE, RuntimeError("ours")), b=GOOD)
    with pytest.raises(RuntimeError):
        await vendors.ask()
    assert vendors.closed["a"].count == 1
    assert vendors.asked == ["a"]


# ---------------------------------------------------------------- which targets


async def test_a_target_that_cannot_serve_the_call_is_skipped_and_says_why() -> None:
    mute = target("mute/m", operation="speech")
    speaking = target("speaking/m", operation="speech", voices={"nova": "Joanna"})
    vendors = Vendors(speaking=(AudioChunk(b"a"), Done()))
    asked = speech_call(targets=(mute, speaking))
    await Failover(Policy(1, 5), True)(asked, vendors.handler)
    assert vendors.asked == ["speaking"]
    assert asked.receipt.skipped == [("mute/m", "has no voice 'nova'")]


async def test_no_target_that_can_is_the_clients_to_mend() -> None:
    refusing = target("a/m", plugin=plain_plugin(refusal="takes no cheese"))
    with pytest.raises(UnsupportedByTarget, match="a/m takes no cheese"):
        await Failover(Policy(3, 5), True)(call(targets=(refusing,)), Vendors().handler)


async def test_no_target_that_is_on_is_the_operators_to_mend() -> None:
    with pytest.raises(UpstreamUnavailable, match="credentials"):
        await Vendors().ask(targets=())


@pytest.mark.parametrize(("wire", "allowed", "expected"), [("openai.chat", True, True), ("openai.chat", False, False)])
async def test_the_clients_own_bytes_go_to_who_speaks_as_he_does(wire: str, allowed: bool, expected: bool) -> None:
    vendors = Vendors(a=GOOD)
    at = target("a/m", plugin=plain_plugin(wire={"chat": wire}))
    await Failover(Policy(3, 5), allowed)(call(targets=(at,)), vendors.handler)
    assert vendors.calls[0].is_verbatim == expected
    await Failover(Policy(3, 5), True)(call(targets=(at,), dialect="other.chat"), vendors.handler)
    assert not vendors.calls[1].is_verbatim


STEPS = st.lists(
    st.sampled_from([TextDelta("x"), USAGE, Done(), UpstreamCut("cut"), UpstreamRejected("no"), Verbatim(b"", False)]),
    max_size=5,
)


@given(st.lists(STEPS, min_size=1, max_size=4))
async def test_a_client_sees_one_targets_answer_whole_or_an_error(answers: list[list[Any]]) -> None:
    vendors = Vendors(**{f"v{index}": tuple(answer) for index, answer in enumerate(answers)})
    seen: list[Event] = []
    error: GatewayError | None = None
    answer: Reply | None = None
    try:
        _, answer = await vendors.ask(attempts=4)
        async for event in answer.events:
            seen.append(event)
    except GatewayError as caught:
        error = caught
    if answer is not None:
        await close(answer)
    assert all(closed.count == 1 for closed in vendors.closed.values())
    given_last = answers[len(vendors.asked) - 1]
    if error is None:
        assert seen == given_last
        assert Done() in seen
    else:
        assert seen == given_last[: len(seen)]
    attempts = vendors.last.receipt.attempts
    assert [attempt.outcome == "ok" for attempt in attempts] == [False] * (len(attempts) - 1) + [error is None]
    assert all(attempt.ended_s is not None for attempt in attempts)


class Seen:
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def began(self, target: Target) -> None:
        self.told.append(("began", target.name))

    def content(self, target: Target, after_s: float) -> None:
        assert 0 <= after_s < 5
        self.told.append(("content", target.name))

    def ended(self, target: Target, error: BaseException | None) -> None:
        self.told.append(("ended", target.name, type(error).__name__))


@pytest.mark.parametrize(
    ("reads", "ending"),
    [("all", "NoneType"), ("one", "GeneratorExit"), ("none", "CancelledError"), ("cut", "UpstreamCut")],
)
async def test_a_watcher_sees_the_beginning_and_the_end_of_each_attempt_once(reads: str, ending: str) -> None:
    refusing, answering = target("a/m"), target("b/m")
    done = () if reads == "cut" else (Done(),)

    async def handler(asked: Call) -> Reply:
        if asked.target == refusing:
            raise UpstreamUnavailable("not now")
        return reply(TextDelta("so"), TextDelta("it is"), *done)

    seen = Seen()
    answer = await Failover(Policy(3, 5), True, watchers=(seen,))(call(targets=(refusing, answering)), handler)
    events = aiter(answer.events)
    if reads == "one":
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
    elif reads == "all":
        await drained(events)
    elif reads == "cut":
        with pytest.raises(UpstreamCut):
            await drained(events)
    await close(answer)
    assert seen.told == [
        ("began", "a/m"),
        ("ended", "a/m", "UpstreamUnavailable"),
        ("began", "b/m"),
        ("content", "b/m"),
        ("ended", "b/m", ending),
    ]


async def test_a_gate_keeps_a_target_from_being_asked_and_says_why() -> None:
    class Closed:
        def reason(self, call: Call, target: Target) -> str | None:
            return "is out" if target.name == "a/m" else None

    vendors = Vendors(a=GOOD, b=GOOD)
    asked = call(targets=vendors.targets)
    await Failover(Policy(3, 5), True, gates=(Closed(),))(asked, vendors.handler)
    assert asked.receipt.skipped == [("a/m", "is out")]
    with pytest.raises(UpstreamUnavailable, match="a/m is out"):
        await Failover(Policy(3, 5), True, gates=(Closed(),))(call(targets=(target("a/m"),)), vendors.handler)

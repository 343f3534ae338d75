"""A text that broke off goes on at the next target, once it is known to be nothing but text."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.chain import close
from gateway.config.model import Failover as Policy
from gateway.errors import GatewayError, UpstreamCut, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from gateway.middlewares.continuation import GO_ON, can_continue, continued
from gateway.middlewares.failover import Failover
from gateway.types import (
    Call,
    Chat,
    Done,
    Event,
    Message,
    OutputFormat,
    Reply,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Units,
    Usage,
)
from tests.given import HELLO, call, plain_plugin, speech_call, target
from tests.middlewares.answering import Vendors, fresh_shares

ON = Policy(max_wait_s=0, is_continued=True)
HALF = (TextDelta("The quick "), TextDelta("brown "))
REST = (TextDelta("fox "), TextDelta("jumps."), Usage(Units(30, output_tokens=2)), Done())
CUT = UpstreamCut("cut")


async def read(answer: Reply) -> tuple[list[Event], GatewayError | None]:
    seen: list[Event] = []
    try:
        async with asyncio.timeout(20):
            async for event in answer.events:
                seen.append(event)
    except GatewayError as error:
        return seen, error
    return seen, None


def said(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def ask(vendors: Vendors, policy: Policy = ON, **more: Any) -> tuple[list[Event], GatewayError | None]:
    _, answer = await vendors.ask(policy=policy, **({"stream": True} | more))
    found = await read(answer)
    await close(answer)
    assert all(closed.count == 1 for closed in vendors.closed.values())
    return found


@pytest.mark.parametrize("fault", [UpstreamCut, UpstreamTimeout, UpstreamMalformed, UpstreamUnavailable, None])
async def test_a_text_that_breaks_off_goes_on_at_the_next_target(fault: type[GatewayError] | None) -> None:
    vendors = Vendors(a=HALF if fault is None else (*HALF, fault("no")), b=REST)
    events, error = await ask(vendors, raw=b"{}")
    assert error is None
    assert said(events) == "The quick brown fox jumps."
    assert events.count(Done()) == 1
    assert vendors.whys() == [("a/m", "first"), ("b/m", "continue")]
    assert vendors.outcomes() == [("a/m", (fault or UpstreamCut).code), ("b/m", "ok")]
    assert vendors.last.receipt.comments == ["continued by b/m"]
    assert vendors.last.receipt.last is vendors.last.receipt.attempts[1]


async def test_the_next_is_given_what_the_client_has_and_is_never_forwarded_to() -> None:
    vendors = Vendors(a=(*HALF, CUT), b=REST)
    same = target("b/m", plugin=plain_plugin(wire={"chat": "openai.chat"}))
    await ask(vendors, targets=(replace(same, provider=replace(same.provider, name="a")), same))
    first, second = vendors.calls
    assert (first.is_verbatim, second.is_verbatim) == (False, False)
    assert isinstance(second.body, Chat)
    assert second.body.messages == (
        *HELLO.messages,
        Message("assistant", (Text("The quick brown "),)),
        Message("user", (Text(GO_ON),)),
    )
    assert second.raw is None


async def test_it_may_break_off_more_than_once_within_the_attempts() -> None:
    vendors = Vendors(a=(*HALF, CUT), b=(TextDelta("fox "), CUT), c=REST)
    events, error = await ask(vendors)
    assert error is None
    assert said(events) == "The quick brown fox fox jumps."
    assert vendors.last.receipt.comments == ["continued by b/m", "continued by c/m"]
    assert [len(given.body.messages) for given in vendors.calls if isinstance(given.body, Chat)] == [1, 3, 3]
    vendors = Vendors(a=(*HALF, CUT), b=(TextDelta("fox "), CUT), c=REST)
    events, error = await ask(vendors, attempts=2)
    assert isinstance(error, UpstreamCut)
    assert vendors.asked == ["a", "b"]


async def test_one_that_fails_at_once_leaves_it_to_the_one_after() -> None:
    vendors = Vendors(a=(*HALF, CUT), b=UpstreamUnavailable("no"), c=REST)
    events, error = await ask(vendors)
    assert (said(events), error) == ("The quick brown fox jumps.", None)
    assert vendors.last.receipt.comments == ["continued by c/m"]


async def test_without_anybody_who_goes_on_it_is_an_error_and_no_end() -> None:
    vendors = Vendors(a=(*HALF, CUT))
    events, error = await ask(vendors)
    assert events == list(HALF)
    assert error is CUT
    assert vendors.last.receipt.comments == []


async def test_what_was_used_adds_up() -> None:
    used = Usage(Units(10, output_tokens=2))
    vendors = Vendors(a=(*HALF, used, CUT), b=REST)

    async def metered(given: Call) -> Reply:
        answer = await vendors.handler(given)
        assert given.attempt is not None
        given.attempt.units = used.units if given.attempt.why == "first" else Units(30, output_tokens=2)
        return answer

    answer = await Failover(ON, True)(call(targets=vendors.targets, stream=True), metered)
    events, _ = await read(answer)
    assert [event.units for event in events if isinstance(event, Usage)][-1] == Units(40, output_tokens=4)


STOPS: list[Event] = [ToolDelta(0, "{"), Done()]


@pytest.mark.parametrize("event", STOPS, ids=lambda event: type(event).__name__)
async def test_half_of_something_else_is_not_gone_on_with(event: Event) -> None:
    vendors = Vendors(a=(*HALF, event, CUT), b=REST)
    _, error = await ask(vendors)
    assert error is CUT
    assert vendors.asked == ["a"]


async def test_thoughts_alone_are_nothing_to_go_on_from() -> None:
    vendors = Vendors(a=(ThinkingDelta("hm"), CUT), b=REST)
    _, error = await ask(vendors)
    assert error is CUT
    vendors = Vendors(a=(ThinkingDelta("hm"), *HALF, CUT), b=REST)
    events, error = await ask(vendors)
    assert (said(events), error) == ("The quick brown fox jumps.", None)


async def test_what_breaks_off_at_everybody_is_paid_for_by_the_budget() -> None:
    shares = fresh_shares()
    vendors = Vendors(a=(*HALF, CUT), b=(TextDelta("x"), CUT), c=(TextDelta("x"), CUT))
    for _ in range(60):
        _, error = await ask(vendors, shares=shares)
        assert error is CUT
    assert 70 <= len(vendors.asked) <= 72


async def test_nothing_is_gone_on_with_after_the_deadline() -> None:
    vendors = Vendors(a=(*HALF, 0.1, CUT), b=REST)
    _, error = await ask(vendors, deadline_s=asyncio.get_running_loop().time() + 0.05)
    assert error is CUT
    assert vendors.asked == ["a"]


# ---------------------------------------------------------------- which calls


JSON_ONLY = OutputFormat("json_object")
CASES: list[tuple[Call, bool]] = [
    (call(stream=True), True),
    (call(stream=False), False),
    (call(replace(HELLO, n=2), stream=True), False),
    (call(replace(HELLO, output_format=JSON_ONLY), stream=True), False),
    (call(replace(HELLO, only_verbatim=("logprobs",)), stream=True), False),
    (call(stream=True, operation="tokens"), False),
    (speech_call(), False),
]


@pytest.mark.parametrize(("asked", "expected"), CASES)
def test_only_a_streamed_text_of_one_choice_can_be_gone_on_with(asked: Call, expected: bool) -> None:
    assert can_continue(asked) == expected


@pytest.mark.parametrize(("most", "left"), [(None, None), (100, 96), (2, 1)])
def test_the_rest_may_be_as_long_as_is_left(most: int | None, left: int | None) -> None:
    body = continued(call(replace(HELLO, max_output_tokens=most)), "The quick brown").body
    assert isinstance(body, Chat)
    assert body.max_output_tokens == left

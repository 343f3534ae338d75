"""What is known of targets in this process: attempts under way, and how soon they begin to answer."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import GatewayError, InvalidRequest, TargetLimited, UpstreamCut, UpstreamTimeout
from gateway.stores import standing as module
from gateway.stores.standing import FAILED_S, HALF_LIFE_S, MAX_TARGETS, MAX_TURNS, MEMORY_S, Standing
from gateway.stores.watching import OutOfTime
from tests.given import Clock, target

A = target("a/m")


def asked(standing: Standing, after_s: float, name: str = "a/m") -> None:
    each = target(name)
    standing.began(each)
    standing.content(each, after_s)
    standing.ended(each, None)


def test_what_is_under_way_is_counted_until_it_ends_however_it_does() -> None:
    standing = Standing(Clock())
    assert standing.in_flight("a/m") == 0
    for _ in range(3):
        standing.began(A)
    assert standing.in_flight("a/m") == 3
    standing.ended(A, None)
    standing.ended(A, UpstreamCut("cut"))
    standing.ended(A, asyncio.CancelledError())
    standing.ended(A, None)  # nothing began that ends here
    assert standing.in_flight("a/m") == 0


def test_the_average_follows_about_the_last_twenty() -> None:
    standing = Standing(Clock())
    assert standing.latency_s("a/m") is None
    asked(standing, 2.0)
    assert standing.latency_s("a/m") == 2.0
    asked(standing, 1.0)
    assert standing.latency_s("a/m") == pytest.approx(1.9)
    for _ in range(40):
        asked(standing, 1.0)
    assert standing.latency_s("a/m") == pytest.approx(1.0, abs=0.02)


def test_after_a_pause_one_answer_tells_more() -> None:
    clock = Clock()
    standing = Standing(clock)
    asked(standing, 2.0)
    clock.now_s += 3 * MEMORY_S
    asked(standing, 1.0)
    assert standing.latency_s("a/m") == pytest.approx(1.05, abs=0.01)


def test_who_is_not_asked_is_thought_faster_until_it_is_tried() -> None:
    clock = Clock()
    standing = Standing(clock)
    asked(standing, 4.0)
    clock.now_s += HALF_LIFE_S
    assert standing.latency_s("a/m") == pytest.approx(2.0)
    standing.began(A)
    assert standing.latency_s("a/m") == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("error", "is_slow"),
    [
        (UpstreamTimeout("late"), True),
        (UpstreamCut("cut"), True),
        (RuntimeError("ours"), True),
        (InvalidRequest("the client's"), False),
        (GatewayError("ours"), False),
        (TargetLimited("a limit of the operator's"), False),
        (asyncio.CancelledError(), False),
        (GeneratorExit(), False),
        (None, False),
    ],
)
def test_only_what_the_vendor_does_wrong_counts_as_slow(error: BaseException | None, is_slow: bool) -> None:
    standing = Standing(Clock())
    standing.began(A)
    standing.ended(A, error)
    assert standing.latency_s("a/m") == (FAILED_S if is_slow else None)


def test_a_call_that_is_out_of_time_tells_of_its_target_only_while_nothing_came() -> None:
    standing = Standing(Clock())
    standing.began(A).ended(A, OutOfTime("its time is over"))
    assert standing.latency_s("a/m") == FAILED_S
    standing = Standing(Clock())
    attempt = standing.began(A)
    attempt.content(A, 0.5)
    attempt.ended(A, OutOfTime("its time is over"))
    assert (standing.latency_s("a/m"), standing.in_flight("a/m")) == (0.5, 0)
    attempt = standing.began(A)
    attempt.content(A, 0.5)
    attempt.ended(A, UpstreamCut("cut"))
    assert (standing.latency_s("a/m") or 0) > 1


def test_one_that_is_being_tried_is_waited_for_until_it_is_known() -> None:
    standing = Standing(Clock())
    assert not standing.is_waited_for("a/m")
    standing.began(A)
    assert standing.is_waited_for("a/m")
    standing.content(A, 0.1)
    assert not standing.is_waited_for("a/m")


def test_names_of_clients_do_not_pile_up_and_nobody_under_way_is_forgotten() -> None:
    standing = Standing(Clock())
    standing.began(A)
    for number in range(MAX_TARGETS + 50):
        asked(standing, 0.1, f"b/{number}")
    assert standing.in_flight("a/m") == 1
    assert standing.latency_s("b/0") is None
    assert standing.latency_s(f"b/{MAX_TARGETS + 49}") is not None
    assert len(standing._targets) == MAX_TARGETS
    for number in range(MAX_TURNS + 10):
        standing.take_turn("m", f"{number}/m")
    assert len(standing._turns) == MAX_TURNS


def test_a_failure_counts_as_slower_than_any_ordinary_answer() -> None:
    assert FAILED_S >= 10
    assert module.NEWS * FAILED_S >= 1  # one moves an average by a second

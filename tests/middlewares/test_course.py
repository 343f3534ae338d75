"""Which attempt is next, and when: every target at once before any again, and no wait that is too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.config.model import Failover as Policy
from gateway.errors import (
    ContextExceeded,
    GatewayError,
    TargetLimited,
    UpstreamCut,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from gateway.middlewares.course import MAX_BACKOFF_S, Course, has_effects
from gateway.types import Call, Passage, Target
from tests.given import call, target

A, B, C = target("a/m"), target("b/m"), target("c/m")
NEVER = float("inf")


def course(targets: Sequence[Target] = (A, B), rand: float = 0.5, asked: Call | None = None, **policy: Any) -> Course:
    return Course(asked or call(), targets, Policy(**policy), lambda: rand)


def tried(on: Course, error: GatewayError, now_s: float = 0.0, deadline_s: float = NEVER) -> tuple[str, str, float]:
    """Make the next attempt, let it fail, and return whose it was, why, and when."""
    step = on.next(now_s, deadline_s)
    assert step is not None
    on.began(step.target)
    on.failed(step.target, error, max(now_s, step.at_s))
    return step.target.name, step.why, step.at_s


def test_every_target_is_tried_at_once_before_one_is_tried_again() -> None:
    on = course(attempts=4, rand=1.0, backoff_s=1.0)
    assert tried(on, UpstreamUnavailable("no")) == ("a/m", "first", 0.0)
    assert tried(on, UpstreamUnavailable("no"), 0.25) == ("b/m", "failover", 0.25)
    assert tried(on, UpstreamUnavailable("no"), 0.5) == ("a/m", "retry", 1.0)
    assert tried(on, UpstreamUnavailable("no"), 1.0) == ("b/m", "retry", 1.25)
    assert on.next(2.0, NEVER) is None
    assert on.unretried == "attempts"


@pytest.mark.parametrize("rand", [0.0, 0.5, 1.0])
def test_waits_are_a_random_part_of_a_limit_that_doubles(rand: float) -> None:
    on = course([A], attempts=8, rand=rand, backoff_s=0.5, max_wait_s=60)
    now_s, waits = 0.0, []
    for _ in range(7):
        _, _, at_s = tried(on, UpstreamUnavailable("no"), now_s)
        waits.append(at_s - now_s)
        now_s = at_s
    assert waits == pytest.approx([0.0, *[rand * limit for limit in (0.5, 1, 2, 4, MAX_BACKOFF_S, MAX_BACKOFF_S)]])


@pytest.mark.parametrize(("rand", "at_s"), [(0.0, 7.0), (1.0, 7.7)])
def test_a_vendor_that_says_when_is_asked_no_sooner(rand: float, at_s: float) -> None:
    on = course([A], rand=rand)
    tried(on, UpstreamRateLimited("slow down", retry_after_s=7))
    step = on.next(0.0, NEVER)
    assert step is not None
    assert step.at_s == pytest.approx(at_s)


def test_the_target_that_is_ready_first_is_tried_again_first() -> None:
    on = course(rand=0.0)
    tried(on, UpstreamRateLimited("slow down", retry_after_s=7))
    tried(on, UpstreamRateLimited("slow down", retry_after_s=3))
    assert tried(on, UpstreamUnavailable("no")) == ("b/m", "retry", 3.0)


@pytest.mark.parametrize(("max_wait_s", "is_made"), [(6.9, False), (7.0, True), (7.1, True)])
def test_a_wait_that_is_too_long_is_not_waited(max_wait_s: float, is_made: bool) -> None:
    on = course([A], rand=0.0, max_wait_s=max_wait_s)
    tried(on, UpstreamRateLimited("slow down", retry_after_s=7))
    assert (on.next(0.0, NEVER) is not None) == is_made
    assert on.unretried == ("" if is_made else "wait")


@pytest.mark.parametrize(("deadline_s", "is_made"), [(6.9, False), (7.0, False), (7.1, True)])
def test_nothing_is_begun_at_or_after_the_deadline(deadline_s: float, is_made: bool) -> None:
    on = course([A], rand=0.0)
    tried(on, UpstreamRateLimited("slow down", retry_after_s=7))
    assert (on.next(0.0, deadline_s) is not None) == is_made


CAN_RETRY = [UpstreamUnreachable, UpstreamTimeout, UpstreamCut, UpstreamMalformed, UpstreamUnavailable]
CAN_RETRY += [UpstreamRateLimited]


@pytest.mark.parametrize("kind", CAN_RETRY)
def test_what_may_pass_is_tried_again(kind: type[GatewayError]) -> None:
    on = course([A])
    tried(on, kind("no"))
    assert on.next(0.0, NEVER) is not None
    assert on.goes_on(kind("no"))


@pytest.mark.parametrize("kind", [UpstreamRefusedUs, ContextExceeded, UpstreamRejected, TargetLimited])
def test_what_waiting_does_not_mend_is_not_tried_again(kind: type[GatewayError]) -> None:
    on = course([A])
    tried(on, kind("no"))
    assert on.next(0.0, NEVER) is None
    assert on.unretried == ""


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"])
def test_what_passes_through_may_create_something(method: str) -> None:
    asked = call(Passage(method, "a", "things"), operation="proxy")
    assert has_effects(asked) == (method in ("POST", "PATCH"))
    on = course(asked=asked)
    assert on.goes_on(UpstreamUnreachable("nothing was sent"))
    assert on.goes_on(UpstreamRateLimited("nothing was done"))
    assert on.goes_on(UpstreamTimeout("who knows")) == (method not in ("POST", "PATCH"))
    assert on.goes_on(UpstreamUnavailable("who knows")) == (method not in ("POST", "PATCH"))


def test_a_chat_that_is_asked_for_twice_costs_twice_and_no_more() -> None:
    assert not has_effects(call())
    assert course().goes_on(UpstreamTimeout("who knows"))


def test_an_operator_may_forbid_to_pay_twice() -> None:
    on = course(repeat="unsent")
    assert not on.goes_on(UpstreamTimeout("who knows"))
    assert not on.goes_on(UpstreamCut("who knows"))
    assert on.goes_on(UpstreamUnreachable("nothing was sent"))
    assert on.goes_on(UpstreamRateLimited("nothing was done"))


def test_another_models_targets_replace_all_others_and_one_is_asked_in_any_case() -> None:
    on = course(attempts=1)
    tried(on, ContextExceeded("long"))
    on.divert([C])
    assert tried(on, UpstreamUnavailable("no")) == ("c/m", "fallback", 0.0)
    assert on.next(0.0, NEVER) is None


def test_beside_the_one_that_is_asked_may_be_the_next_within_the_attempts() -> None:
    on = course(attempts=2)
    on.began(A)
    assert on.beside() == B
    on.began(B)
    assert on.beside() is None
    only = course(attempts=1)
    only.began(A)
    assert only.beside() is None


def test_a_target_that_was_shut_meanwhile_is_not_tried_again() -> None:
    on = course([A], rand=0.0)
    tried(on, UpstreamUnavailable("no"))
    on.drop(A)
    on.drop(B)  # of which nothing is known
    assert on.next(0.0, NEVER) is None

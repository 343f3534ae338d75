"""Only what the vendor is to blame for speaks against it."""

from __future__ import annotations

import asyncio

import pytest

from gateway import errors
from gateway.stores.breakers.breaker import Failure
from gateway.stores.breakers.verdict import failure_of
from gateway.stores.watching import OutOfTime

THEIRS = (
    errors.UpstreamError, errors.UpstreamUnreachable, errors.UpstreamTimeout, errors.UpstreamCut,
    errors.UpstreamMalformed, errors.UpstreamUnavailable, errors.UpstreamLoop, errors.UpstreamRateLimited,
    errors.UpstreamRefusedUs,
)  # fmt: skip
OURS = (
    errors.ClientError, errors.InvalidRequest, errors.RateLimited, errors.LoopDetected, errors.GatewayError,
    errors.LimitsAway, errors.Overloaded, errors.TargetBusy, errors.TargetLimited, errors.UpstreamRejected,
    errors.UnsupportedByTarget, errors.UpstreamNotFound, errors.ContextExceeded, errors.ContentRefused,
    errors.DeadlineExceeded,
)  # fmt: skip
NEITHER = (asyncio.CancelledError(), GeneratorExit(), ConnectionResetError(), ValueError("a fault of ours"))


@pytest.mark.parametrize("kind", THEIRS)
def test_what_is_the_vendors_counts(kind: type[errors.GatewayError]) -> None:
    assert failure_of(kind("no"), 0.1, False, None) == Failure(kind.code)


@pytest.mark.parametrize("kind", OURS)
def test_what_is_the_clients_or_ours_says_nothing(kind: type[errors.GatewayError]) -> None:
    assert failure_of(kind("no", retry_after_s=5.0), 0.1, False, None) is None


@pytest.mark.parametrize("error", NEITHER)
def test_who_left_and_what_broke_in_here_says_nothing(error: BaseException) -> None:
    assert failure_of(error, 0.1, False, None) is None


def test_every_error_of_an_upstream_is_in_one_of_the_lists() -> None:
    def tree(kind: type[errors.GatewayError]) -> set[type[errors.GatewayError]]:
        return {kind}.union(*(tree(part) for part in kind.__subclasses__()))

    assert {kind for kind in tree(errors.UpstreamError) if kind.__module__ == "gateway.errors"} <= {*THEIRS, *OURS}


@pytest.mark.parametrize("kind", [errors.UpstreamRateLimited, errors.UpstreamUnavailable])
def test_the_vendor_may_say_when_it_is_to_be_asked_again(kind: type[errors.GatewayError]) -> None:
    assert failure_of(kind("no", retry_after_s=7.5), 0.1, False, None) == Failure(kind.code, 7.5)


def test_when_to_come_back_counts_where_the_vendor_is_too_busy_only() -> None:
    assert failure_of(errors.UpstreamRefusedUs("no", retry_after_s=7.5), 0.1, False, None) == Failure(
        errors.UpstreamRefusedUs.code
    )


@pytest.mark.parametrize(
    ("lasted_s", "has_content", "usual_s", "counts"),
    [
        (4.99, False, None, False),  # it never answered as yet: who knows how long it takes
        (5.0, False, None, True),
        (5.99, False, 2.0, False),  # three times what it usually takes
        (6.0, False, 2.0, True),
        (0.49, False, 0.1, False),
        (0.5, False, 0.1, True),
        (60.0, True, 0.1, False),  # it was speaking, and the call had no time for the rest
    ],
)
def test_a_calls_own_deadline_counts_where_the_target_was_slow(
    lasted_s: float, has_content: bool, usual_s: float | None, counts: bool
) -> None:
    found = failure_of(OutOfTime("late"), lasted_s, has_content, usual_s)
    assert found == (Failure("upstream_timeout") if counts else None)

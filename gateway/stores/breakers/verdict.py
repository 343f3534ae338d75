"""Whose fault was it? What the end of an attempt says about the target."""

from __future__ import annotations

from gateway.errors import (
    GatewayError,
    TargetLimited,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from gateway.stores.breakers.breaker import Failure
from gateway.stores.watching import OutOfTime

NOTHING = None
IMPATIENT_S = 5.0  # who gives up sooner on a target that never answered says nothing about it
USUAL = 3.0  # so many times its usual first content a target may take before a deadline speaks against it
LEAST_USUAL_S = 0.5


def failure_of(
    error: BaseException, lasted_s: float, has_content: bool, first_content_s: float | None
) -> Failure | None:
    """Return the failure that an attempt's error is of the target's; None: it says nothing about the target.

    Nothing is said by a client that left or asked amiss, by limits of ours, by a model that the vendor does not know,
    by a fault of ours; and by the deadline of a call only where the target was slower than it usually is.
    """
    if isinstance(error, OutOfTime):
        usual_s = IMPATIENT_S if first_content_s is None else max(LEAST_USUAL_S, USUAL * first_content_s)
        return NOTHING if has_content or lasted_s < usual_s else Failure(error.code)
    if not isinstance(error, GatewayError) or error.blame != "upstream":
        return NOTHING
    if not isinstance(error, UpstreamError) or isinstance(error, TargetLimited | UpstreamNotFound):
        return NOTHING
    says_when = isinstance(error, UpstreamRateLimited | UpstreamUnavailable)
    return Failure(error.code, error.retry_after_s if says_when else None)

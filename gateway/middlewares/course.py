"""Which target is next, and when? What was tried and how it failed, as a value that decides without waiting.

Every target is tried once, at once, before one is tried again. A repetition waits, the longer the oftener, and as long
as the vendor says where it does; one for which there is no time left is not made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.config.model import Failover as Policy
from gateway.errors import GatewayError
from gateway.stores.retries import Ticket
from gateway.types import Call, Passage, Target, Why, quick

MAX_BACKOFF_S = 8.0  # what the vendors' own clients wait at most
SPREAD = 0.1  # of a wait that a vendor asks for: not all who were told the same come back at the same moment
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110, 9.2.2


@quick
@dataclass(frozen=True, slots=True)
class Step:
    """The next attempt: at whom, why, and from when on."""

    target: Target
    why: Why
    at_s: float  # monotonic
    ticket: Ticket | None = None  # where it is one more than the call's first


@dataclass(slots=True)
class _Failed:
    target: Target
    times: int
    ready_s: float
    can_retry: bool


class Course:
    """One call's way along its targets."""

    def __init__(self, call: Call, targets: Sequence[Target], policy: Policy, rand: Callable[[], float]) -> None:
        self._untried = list(targets)
        self._failed: dict[str, _Failed] = {}
        self._policy = policy
        self._limit = policy.attempts
        self._rand = rand
        self._why: Why = "first"
        self._tried = 0
        self._repeats = policy.repeat == "always" and not has_effects(call)
        self.unretried = ""  # why there was no next, where one might have helped

    def next(self, now_s: float, deadline_s: float) -> Step | None:
        """Return the next attempt, None where there is to be none."""
        if self._tried >= self._limit:
            self.unretried = "attempts"
            return None
        if self._untried:
            return Step(self._untried[0], self._why, now_s)
        ready = min(
            (failed for failed in self._failed.values() if failed.can_retry),
            key=lambda failed: failed.ready_s,
            default=None,
        )
        if ready is None:
            return None
        if ready.ready_s >= deadline_s or ready.ready_s - now_s > self._policy.max_wait_s:
            self.unretried = "wait"
            return None
        return Step(ready.target, "retry", ready.ready_s)

    def beside(self) -> Target | None:
        """Return who may be asked beside the one that is being asked, None where there is nobody."""
        return self._untried[0] if self._untried and self._tried < self._limit else None

    def began(self, target: Target) -> None:
        """Count an attempt at a target."""
        self._tried += 1
        if self._why == "first":
            self._why = "failover"
        self.skip(target)

    def skip(self, target: Target) -> None:
        """Leave a target out."""
        self._untried = [other for other in self._untried if other.name != target.name]

    def failed(self, target: Target, error: GatewayError, now_s: float) -> None:
        before = self._failed.get(target.name)
        times = before.times + 1 if before is not None else 1
        self._failed[target.name] = _Failed(target, times, now_s + self._wait_s(error, times), error.can_retry)

    def goes_on(self, error: GatewayError) -> bool:
        """Say whether another attempt may be made after this error."""
        return error.can_fail_over and (self._repeats or not error.may_have_run)

    def divert(self, targets: Sequence[Target]) -> None:
        """Go on with other targets, and with these alone; one of them is asked whatever was tried before."""
        self._untried = list(targets)
        self._failed.clear()
        self._limit = max(self._limit, self._tried + 1)
        self._why = "fallback"

    def drop(self, target: Target) -> None:
        """Ask a target that failed no more."""
        failed = self._failed.get(target.name)
        if failed is not None:
            failed.can_retry = False

    def _wait_s(self, error: GatewayError, times: int) -> float:
        """Return how long to wait before a repetition: as the vendor says, or a random part of a limit that doubles."""
        if error.retry_after_s is not None:
            return error.retry_after_s * (1 + SPREAD * self._rand())
        most_s: float = min(MAX_BACKOFF_S, self._policy.backoff_s * 2 ** (times - 1))
        return self._rand() * most_s


def has_effects(call: Call) -> bool:
    """Say whether doing it twice is more than paying twice: what passes through may create something."""
    return isinstance(call.body, Passage) and call.body.method not in IDEMPOTENT

"""One target's breaker: told how each attempt went, it says whether the target may be asked. It has no clock.

closed     -> open       failures enough, or the vendor says when it is to be asked again
open       -> half_open  the ejection is over, and one attempt is made to find out
half_open  -> open       it failed: out for twice as long
half_open  -> returning  it gave content
returning  -> closed     `return_s` is over; -> open as from closed
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.stores.breakers.window import Window
from gateway.types import BreakerPolicy

State = Literal["closed", "returning", "half_open", "open"]

JITTER = 0.2  # up to a fifth of an ejection is left out, so that replicas do not come back together
MAX_TOLD_S = 3600.0  # who asks to be left alone for longer is tried once an hour
MAX_SLOW_S = 60.0  # what a failure took, the target is out for at least: up to here
LEAST_SHARE = 0.1  # of the calls, when a return begins
LATENCY_WEIGHT = 0.2  # of the newest first content in the average


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    retry_after_s: float | None = None  # as the vendor said


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target is not to be asked. `is_hard`: it is ejected; else others are only to be preferred."""

    reason: str
    is_hard: bool


class Trial:
    """One attempt at the target, from its begin to its end."""

    __slots__ = ("began_s", "epoch", "has_content", "is_over")

    def __init__(self, began_s: float, epoch: int) -> None:
        self.began_s = began_s
        self.epoch = epoch
        self.has_content = False
        self.is_over = False


class Breaker:
    """`on_change` is told of every transition, with the state before."""

    def __init__(
        self,
        policy: BreakerPolicy,
        now_s: float,
        draw: Callable[[], float],
        on_change: Callable[[Breaker, State], None] = lambda breaker, before: None,
    ) -> None:
        self.policy = policy
        self.state: State = "closed"
        self.since_s = now_s
        self.until_s = 0.0  # the end of the ejection, where there is one
        self.is_told = False  # the vendor said when: nothing ends the ejection before
        self.ejections = 0  # in a row, without a whole return in between
        self.silent = 0  # failures in a row before any content
        self.broken = 0  # failures in a row after content
        self.in_flight = 0
        self.waiting = 0  # of those in flight, without content as yet
        self.first_content_s: float | None = None  # a moving average
        self.last_error = ""
        self.last_error_s: float | None = None
        self.probe: Trial | None = None
        self._failed_probes = 0  # in a row
        self._is_hinted = False  # a probe ended this ejection
        self._is_misled = False  # it did, and the call that followed failed
        self._epoch = 0  # of ejections and returns: an attempt from before one says nothing afterwards
        self._draw = draw
        self._on_change = on_change
        self._window = Window(policy.window_s)

    @property
    def is_calm(self) -> bool:
        """Whether there is nothing to ask about: closed, and the last attempts went well."""
        return self.state == "closed" and not self.silent

    def use(self, policy: BreakerPolicy) -> None:
        """Take other numbers; what is under way goes on. Counts begin anew where the window is another."""
        if policy.window_s != self.policy.window_s:
            self._window = Window(policy.window_s)
        self.policy = policy

    def counts(self, now_s: float) -> tuple[int, int]:
        """Return how many attempts went well and how many failed within the window."""
        return self._window.counts(now_s)

    # ------------------------------------------------------------ may it be asked?

    def is_out(self, now_s: float) -> bool:
        """Whether it is ejected: its time is not over, or the one attempt that is to tell is under way."""
        return self.state in ("open", "half_open") and (now_s < self.until_s or self.probe is not None)

    def refusal(self, now_s: float) -> Refusal | None:
        self.settle(now_s)
        if self.is_out(now_s):
            if now_s < self.until_s:
                return Refusal(f"is ejected for {self.until_s - now_s:.1f} s more ({self.last_error})", True)
            return Refusal(f"is ejected, and another call is finding out whether it is back ({self.last_error})", True)
        if self.state == "returning" and self._draw() >= self.share(now_s):
            return Refusal("is coming back and takes a share of the calls as yet", False)
        if self.silent and self.silent + self.waiting >= self.policy.consecutive:
            return Refusal(f"is failing, and calls enough wait for it ({self.last_error})", False)
        return None

    def share(self, now_s: float) -> float:
        """Return which share of the calls it takes while it returns: grows from LEAST_SHARE to 1."""
        return max(LEAST_SHARE, (now_s - self.since_s) / self.policy.return_s) if self.policy.return_s else 1.0

    def settle(self, now_s: float) -> None:
        """End a return whose time is over."""
        if self.state == "returning" and now_s >= self.since_s + self.policy.return_s:
            self.ejections = 0
            self._go("closed", now_s)

    # ------------------------------------------------------------ what becomes of attempts

    def begin(self, now_s: float) -> Trial:
        self.settle(now_s)
        trial = Trial(now_s, self._epoch)
        self.in_flight += 1
        self.waiting += 1
        if self.state in ("open", "half_open") and now_s >= self.until_s and self.probe is None:
            self.probe = trial
            if self.state == "open":
                self._go("half_open", now_s)
        return trial

    def content(self, trial: Trial, after_s: float, now_s: float) -> None:
        """The first content is there: who speaks is alive, whatever becomes of the answer."""
        if trial.has_content or trial.is_over:
            return
        trial.has_content = True
        self.waiting -= 1
        average = self.first_content_s
        self.first_content_s = after_s if average is None else average + LATENCY_WEIGHT * (after_s - average)
        if trial.epoch == self._epoch:
            self.silent = 0
            self._came_back(trial, now_s)

    def end(self, trial: Trial, now_s: float, failure: Failure | None = None, *, says_nothing: bool = False) -> None:
        """Without a `failure` the answer was whole, unless it `says_nothing`: a client left, or was at fault."""
        if trial.is_over:
            return
        trial.is_over = True
        self.in_flight -= 1
        self.waiting -= not trial.has_content
        is_probe, self.probe = self.probe is trial, None if self.probe is trial else self.probe
        if failure is not None:
            self.last_error, self.last_error_s = failure.code, now_s
        if trial.epoch != self._epoch or says_nothing:
            return
        if failure is None:
            self.silent = self.broken = 0
            self._window.add(now_s, good=1)
            self._came_back(trial, now_s)
        else:
            self._failed(trial, failure, now_s, is_probe)

    def eject(self, now_s: float, wait_s: float, *, is_told: bool = False) -> None:
        """Ask it no more for so long."""
        self._epoch += 1
        self.until_s = now_s + wait_s
        self.is_told = is_told
        self.silent = self.broken = self._failed_probes = 0
        self.probe = None
        self._window.clear()
        self._go("open", now_s)

    def reset(self, now_s: float) -> None:
        """Forget what failed: the next call asks it."""
        self._epoch += 1
        self.until_s, self.is_told, self.ejections = 0.0, False, 0
        self._is_hinted = self._is_misled = False
        self.silent = self.broken = self._failed_probes = 0
        self.probe = None
        self._window.clear()
        if self.state != "closed":
            self._go("closed", now_s)

    def may_be_probed(self, now_s: float, *, is_always: bool) -> bool:
        """Whether a request beside the calls may ask how the target is: not where the vendor said when."""
        self.settle(now_s)
        if self.state == "open":
            return now_s < self.until_s and not self.is_told and (is_always or not self._is_misled)
        return is_always

    def probed(self, failure: Failure | None, now_s: float) -> None:
        """A request beside the calls found the vendor there, or not. That it is there ends an ejection, for one call
        to find out; where that call failed all the same, no other probe does until the target is back."""
        self.settle(now_s)
        if failure is None:
            self._failed_probes = 0
            if self.state == "open" and now_s < self.until_s and not self.is_told and not self._is_misled:
                self.until_s = now_s
                self._is_hinted = True
            return
        self.last_error, self.last_error_s = failure.code, now_s
        self._failed_probes += 1
        if self.state in ("closed", "returning") and self._failed_probes >= self.policy.consecutive:
            wait_s = self.backoff_s()
            self.ejections += 1
            self.eject(now_s, wait_s)

    def backoff_s(self) -> float:
        doubled = self.policy.open_s * 2.0 ** min(self.ejections, 30)
        return min(doubled, self.policy.max_open_s) * (1 - JITTER * self._draw())

    def _failed(self, trial: Trial, failure: Failure, now_s: float, is_probe: bool) -> None:
        told_s = min(failure.retry_after_s or 0.0, MAX_TOLD_S)
        slow_s = 0.0 if trial.has_content else min(now_s - trial.began_s, MAX_SLOW_S)
        if self.state in ("open", "half_open"):
            if is_probe:
                self._is_misled = self._is_misled or self._is_hinted
                wait_s = max(self.backoff_s(), slow_s, told_s)
                self.ejections += 1
                self.eject(now_s, wait_s, is_told=told_s > 0)
            elif told_s:  # of an attempt that was made because nobody else was left
                self.until_s, self.is_told = max(self.until_s, now_s + told_s), True
            return
        self._window.add(now_s, bad=1)
        if trial.has_content:
            self.broken += 1
        else:
            self.silent += 1
        if told_s:
            self.eject(now_s, told_s, is_told=True)
        elif max(self.silent, self.broken) >= self.policy.consecutive or self._is_mostly_bad(now_s):
            wait_s = max(self.backoff_s(), slow_s)
            self.ejections += 1
            self.eject(now_s, wait_s)

    def _is_mostly_bad(self, now_s: float) -> bool:
        good, bad = self._window.counts(now_s)
        total = good + bad
        return total >= self.policy.min_requests and bad * 100 >= self.policy.error_percent * total

    def _came_back(self, trial: Trial, now_s: float) -> None:
        if self.state in ("open", "half_open"):
            self._epoch += 1  # those that began while it was away may still be waiting for nothing
            trial.epoch = self._epoch
            self.probe = None
            self.until_s, self.is_told = 0.0, False
            self._is_hinted = self._is_misled = False
            self._go("returning", now_s)

    def _go(self, state: State, now_s: float) -> None:
        before, self.state, self.since_s = self.state, state, now_s
        self._on_change(self, before)

"""A limit on calls at once: who has a slot runs, who has none waits for one, and who cannot wait is refused at once."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from gateway.errors import UpstreamRateLimited, UpstreamTimeout, UpstreamUnavailable
from gateway.stores.slots.gradient import Gradient
from gateway.stores.slots.line import Line
from gateway.types import Concurrency

LOGGER = logging.getLogger("gateway")

Reason = Literal["full", "displaced", "too_long", "deadline"]
REASONS: tuple[Reason, ...] = ("full", "displaced", "too_long", "deadline")

UNLIMITED = sys.maxsize
WAIT_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SMOOTHING = 0.1  # the weight of the newest in the mean time that a slot is held
RETRY_AFTER_S = (1.0, 30.0)  # least and most: an estimate from what just happened says little of what comes
LOG_EVERY_S = 10.0  # one line for all that are refused meanwhile
GIVEN_UP = (asyncio.CancelledError, GeneratorExit)  # by the client, or by what bounds the time of an attempt
TOO_MUCH = (UpstreamTimeout, UpstreamUnavailable, UpstreamRateLimited)  # what an overloaded vendor answers


class NoSlot(Exception):
    """A call gets no slot. `why` is for people, after the name of what is limited."""

    def __init__(self, reason: Reason, why: str, retry_after_s: float, *, is_news: bool) -> None:
        super().__init__(why)
        self.reason = reason
        self.why = why
        self.retry_after_s = retry_after_s
        self.is_news = is_news  # False: others were refused in the last seconds, and the log has said so


class Slot:
    """The right to run, given back once however often that is asked."""

    __slots__ = ("_is_held", "_slots", "_taken_s")

    def __init__(self, slots: Slots, taken_s: float) -> None:
        self._slots = slots
        self._taken_s = taken_s
        self._is_held = True

    def release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._slots._release(asyncio.get_running_loop().time() - self._taken_s)

    def answered(self, began_s: float) -> None:
        """Tell an adaptive limit that what was asked at `began_s` is answered now."""
        self._slots._learn(began_s, None)

    def failed(self, error: BaseException, began_s: float) -> None:
        """Tell an adaptive limit how what was asked at `began_s` failed before it was answered."""
        self._slots._learn(began_s, error)

    @property
    def is_adaptive(self) -> bool:
        return self._slots._gradient is not None


@dataclass(slots=True, eq=False)
class _Waiter:
    tenant: str
    result: asyncio.Future[Reason | None]  # None: a slot is his


class Slots:
    """One limit of this process. Times are the event loop's. `limit` is what holds now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.limit = UNLIMITED
        self.policy: Concurrency | None = None  # None: not limited
        self.running = 0
        self.refused: dict[Reason, int] = dict.fromkeys(REASONS, 0)
        self.waits = [0] * (len(WAIT_BUCKETS_S) + 1)  # of calls that had to wait, by how long; the last: longer
        self.waited_s = 0.0
        self._line: Line[_Waiter] = Line()
        self._gradient: Gradient | None = None
        self._held_s: float | None = None  # mean; None: no slot was given back yet
        self._logged_s = -math.inf
        self._unlogged = 0

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def is_full(self) -> bool:
        return self.running >= self.limit

    def use(self, policy: Concurrency | None) -> None:
        """Go by other numbers from now on. Who runs runs on, and who waits keeps his place and his deadline."""
        self.policy = policy
        if policy is None:
            self._gradient, self.limit = None, UNLIMITED
        elif policy.min is None:
            self._gradient, self.limit = None, policy.max
        else:
            if self._gradient is None:
                self._gradient = Gradient(policy.min, policy.max)
            self._gradient.bound(policy.min, policy.max)
            self.limit = self._gradient.limit
        self._grant()

    async def take(self, tenant: str, until_s: float = math.inf) -> Slot:
        """Return a slot, after a wait where there is none. Raises NoSlot, at `until_s` at the latest."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if self.running < self.limit:  # then nobody waits: whoever did would run
            self.running += 1
            return Slot(self, now_s)
        waiter = self._join(tenant, until_s, now_s, loop)
        timer = loop.call_at(min(until_s, now_s + self._policy.max_wait_s), self._drop, waiter, "deadline")
        try:
            reason = await waiter.result
        except BaseException:  # the client has left
            if not waiter.result.done() or waiter.result.cancelled():
                self._line.remove(tenant, waiter)
            elif waiter.result.result() is None:
                self._release(None)
            raise
        finally:
            timer.cancel()
            waited_s = loop.time() - now_s
            self.waits[bisect_left(WAIT_BUCKETS_S, waited_s)] += 1
            self.waited_s += waited_s
        if reason is not None:
            why = f"no turn came within {waited_s:.1f} s"
            raise self._refusal(reason, why if reason == "deadline" else "calls of those with fewer waiting go first")
        return Slot(self, loop.time())

    @property
    def _policy(self) -> Concurrency:
        assert self.policy is not None  # without one there is no limit to come to
        return self.policy

    def _join(self, tenant: str, until_s: float, now_s: float, loop: asyncio.AbstractEventLoop) -> _Waiter:
        """Stand in line. Raises NoSlot where that is of no use: the line is full, or too long."""
        policy, line = self._policy, self._line
        patience_s = min(policy.max_wait_s, until_s - now_s)
        if patience_s <= 0:
            raise self._refusal("deadline", "and this call's time is over")
        is_full = len(line) >= policy.queue
        if is_full and line.of(tenant) + 1 >= line.longest:
            raise self._refusal("full", f"and {len(line)} wait, as many as may")
        expected_s = self._expected_s(line.turns_until(tenant))
        if expected_s is not None and expected_s > patience_s:
            raise self._refusal(
                "too_long",
                f"and a turn is expected in {expected_s:.1f} s, later than the {patience_s:.1f} s it may take",
            )
        if is_full:
            self._drop(line.newest_of_most(), "displaced")
        waiter = _Waiter(tenant, loop.create_future())
        line.add(tenant, waiter)
        return waiter

    def _drop(self, waiter: _Waiter, reason: Reason) -> None:
        self._line.remove(waiter.tenant, waiter)
        if not waiter.result.done():
            waiter.result.set_result(reason)

    def _release(self, held_s: float | None) -> None:
        """Give back a slot that was held so long; None: it was not used."""
        self.running -= 1
        if held_s is not None:
            self._held_s = held_s if self._held_s is None else self._held_s + (held_s - self._held_s) * SMOOTHING
        self._grant()

    def _grant(self) -> None:
        while len(self._line) and self.running < self.limit:
            waiter = self._line.next()
            if not waiter.result.done():  # else he has just left
                self.running += 1
                waiter.result.set_result(None)

    def _learn(self, began_s: float, error: BaseException | None) -> None:
        gradient = self._gradient
        if gradient is None:
            return
        now_s = asyncio.get_running_loop().time()
        if error is None:
            gradient.answered(began_s, now_s, self.running)
        elif isinstance(error, TOO_MUCH):
            gradient.refused(now_s)
        elif isinstance(error, GIVEN_UP):
            gradient.given_up(began_s, now_s, self.running)
        self.limit = gradient.limit
        self._grant()

    def _expected_s(self, turns: int) -> float | None:
        """Return how long so many turns take, by how long slots were held of late; None: nobody knows yet."""
        return None if self._held_s is None else turns * self._held_s / max(1, self.limit)

    def _refusal(self, reason: Reason, why: str) -> NoSlot:
        """Count a refusal, and say in the log that there are some, once for all within a few seconds."""
        now_s = asyncio.get_running_loop().time()
        self.refused[reason] += 1
        self._unlogged += 1
        is_news = now_s - self._logged_s >= LOG_EVERY_S
        if is_news:
            LOGGER.warning(
                "%s is at its limit of %d calls at once: %d refused since it was last said; %d wait",
                self.name, self.limit, self._unlogged, len(self._line),
            )  # fmt: skip
            self._logged_s, self._unlogged = now_s, 0
        least_s, most_s = RETRY_AFTER_S
        expected_s = self._expected_s(len(self._line) + 1) or least_s
        return NoSlot(reason, why, min(most_s, max(least_s, expected_s)), is_news=is_news)

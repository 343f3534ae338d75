"""A limit that follows the time answers take: it grows while they take as long as with little to do, and shrinks when
they take longer, since calls wait somewhere behind the gateway then.

After Netflix's gradient limits and Envoy's adaptive concurrency: what counts is the median of a window against that of
a window with little to do, which is looked for again from time to time by going down to a third.
"""

from __future__ import annotations

import math
from statistics import median

START = 20  # a limit begins here, within its bounds, and doubles in a few windows where that is too little
WINDOW_S = 0.5  # at least
WINDOW_ANSWERS = 20  # at least: the median of fewer is an accident
KEPT_ANSWERS = 500  # of one window, so that a fast vendor's take no memory
TOLERANCE = 1.5  # answers may take so many times the least: prompts and texts differ in length
PROBE_WINDOWS = 50  # after so many windows the least is looked for again: the vendor may have become slower for good
PROBE = 3  # by what the limit is divided then: it may have settled at twice what the vendor can
BACK_OFF = 0.9  # what an answer that says "too much" leaves of the limit
BACK_OFF_S = 0.1  # one for all those that come together


class Gradient:
    """`limit` is what holds now. Times are seconds of one monotonic clock."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most
        self.limit = min(most, max(least, START))
        self._least_s: float | None = None  # the median with little to do
        self._times_s: list[float] = []
        self._began_s: float | None = None
        self._windows = 0
        self._peak = 0  # most calls at once in this window
        self._before_probe: int | None = None  # the limit to go back to
        self._backed_off_s = -math.inf

    def bound(self, least: int, most: int) -> None:
        """Take other bounds and keep what was learned."""
        self.least, self.most = least, most
        self._set(self.limit)

    def answered(self, began_s: float, now_s: float, running: int) -> None:
        """Take into account an answer that was asked for at `began_s`, with so many calls `running`."""
        if self._began_s is None:
            self._began_s = now_s
        self._peak = max(self._peak, running)
        if began_s < self._began_s and self._before_probe is not None:
            return  # it was asked for when more ran than the probe lets
        if len(self._times_s) < KEPT_ANSWERS:
            self._times_s.append(now_s - began_s)
        if len(self._times_s) >= WINDOW_ANSWERS and now_s - self._began_s >= WINDOW_S:
            self._close(median(self._times_s), now_s)

    def given_up(self, began_s: float, now_s: float, running: int) -> None:
        """Take into account one that nobody waited for any longer: where it took too long already, that is known."""
        if self._least_s is not None and now_s - began_s > self._least_s * TOLERANCE:
            self.answered(began_s, now_s, running)

    def refused(self, now_s: float) -> None:
        """Take into account an answer that says that it is too much."""
        if now_s - self._backed_off_s >= BACK_OFF_S:
            self._backed_off_s = now_s
            self._set(int(self.limit * BACK_OFF))

    def _close(self, took_s: float, now_s: float) -> None:
        self._windows += 1
        if self._before_probe is not None:
            self._least_s = took_s
            self._set(self._before_probe)
            self._before_probe = None
        elif self._least_s is None or took_s < self._least_s:
            self._least_s = took_s
        if self._windows % PROBE_WINDOWS == 0:
            self._before_probe = self.limit
            self._set(self.limit // PROBE)
        else:
            gradient = max(0.5, min(1.0, self._least_s * TOLERANCE / took_s))
            limit = int(self.limit * gradient + math.sqrt(self.limit))
            is_used = self._peak * 2 >= self.limit  # else nobody knows how more would fare
            self._set(limit if is_used else min(limit, self.limit))
        self._times_s.clear()
        self._began_s, self._peak = now_s, 0

    def _set(self, limit: int) -> None:
        self.limit = max(self.least, min(self.most, limit))

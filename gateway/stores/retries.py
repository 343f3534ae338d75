"""How much of this process's traffic may be attempts that come to nothing: what keeps an outage from growing."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 10  # of the share: as long as an outage takes to be one
QUIET_S = 60  # of the least: for a gateway that is asked now and then, and no addition to the share of others
MINIMUM = 10  # in QUIET_S, whatever the share is
MOST_PROOFS = 1_000  # that one target has to its credit
MAX_TARGETS = 1_000  # a pattern lets clients name targets: those heard of longest ago go


class Ticket:
    """Leave for one further attempt. It is settled once: by what becomes of the attempt."""

    def __init__(self, budget: RetryBudget) -> None:
        self._budget: RetryBudget | None = budget

    def settle(self, *, is_wasted: bool) -> None:
        """Give the place back, or keep it for the rest of the window where the attempt came to nothing."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget.settle(is_wasted=is_wasted)


class RetryBudget:
    """Counts requests and wasted further attempts over sliding windows, in whole seconds.

    An attempt that answers is not counted: while one target is away all calls may go to the next. But nobody knows
    beforehand which will answer, and many calls may fail at the same moment. So the attempts under way count as wasted
    until they are not, and what a target has answered since it last failed is room for as many more: from a target of
    which nothing is known the first answers let the rest go on, and one that fails ends it for all.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now  # monotonic
        self._seconds = [-QUIET_S] * QUIET_S  # which second each place counts
        self._requests = [0] * QUIET_S
        self._wasted = [0] * QUIET_S
        self._open = 0  # attempts under way
        self._proofs: OrderedDict[str, int] = OrderedDict()  # by target: answers since it last failed
        self._waiting: deque[asyncio.Future[None]] = deque()

    def request(self) -> None:
        """Count a request."""
        self._requests[self._place()] += 1

    def waste(self) -> None:
        """Count an attempt beyond a request's first that came to nothing, or that repeats one that did."""
        self._wasted[self._place()] += 1

    def saw(self, target: str, *, is_answer: bool) -> None:
        """Take down that a target answered, or failed in a way that says something of the target."""
        proofs = self._proofs.get(target, 0) + 1 if is_answer else 0
        self._proofs[target] = min(proofs, MOST_PROOFS)
        self._proofs.move_to_end(target)
        if len(self._proofs) > MAX_TARGETS:
            self._proofs.popitem(last=False)

    def take(self, target: str, percent: float) -> Ticket | None:
        """Return leave for another attempt, where `percent` of the requests may have one; None: there is none now."""
        return self._ticket() if self._allows(target, percent) else None

    async def leave(self, target: str, percent: float, until_s: float) -> Ticket | None:
        """Return leave as `take` does, after waiting for what becomes of others where that decides.

        None: there is none, or it is `until_s`, of the loop's clock.
        """
        try:
            async with asyncio.timeout_at(until_s if until_s < float("inf") else None):
                while (allows := self._allows(target, percent)) is None:
                    await self._news()
        except TimeoutError:
            return None
        return self._ticket() if allows else None

    def settle(self, *, is_wasted: bool) -> None:
        """End an attempt under way; called by its ticket."""
        self._open -= 1
        if is_wasted:
            self.waste()
        self._tell(len(self._waiting) if is_wasted else 2)  # one for the place, one for the proof

    def _allows(self, target: str, percent: float) -> bool | None:
        """Say whether there may be another attempt; None: that depends on those under way."""
        if percent <= 0:
            return False
        second = int(self._now())
        requests = wasted = wasted_lately = 0
        for at, counted in enumerate(self._seconds):
            if counted > second - QUIET_S:
                wasted += self._wasted[at]
                if counted > second - WINDOW_S:
                    wasted_lately += self._wasted[at]
                    requests += self._requests[at]
        room = max(int(requests * percent / 100) - wasted_lately, MINIMUM - wasted)
        if room <= 0:
            return False
        return True if self._open < room + self._proofs.get(target, 0) else None

    def _ticket(self) -> Ticket:
        self._open += 1
        return Ticket(self)

    async def _news(self) -> None:
        """Wait until an attempt under way has ended."""
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(news)
        try:
            await news
        except asyncio.CancelledError:
            if news.done() and not news.cancelled():
                self._tell(1)  # somebody else's, then
            raise
        finally:
            if news in self._waiting:
                self._waiting.remove(news)

    def _tell(self, many: int) -> None:
        told = 0
        while self._waiting and told < many:
            news = self._waiting.popleft()
            if not news.done():
                news.set_result(None)
                told += 1

    def _place(self) -> int:
        second = int(self._now())
        place = second % QUIET_S
        if self._seconds[place] != second:
            self._seconds[place] = second
            self._requests[place] = self._wasted[place] = 0
        return place


class HedgeShare:
    """How many calls of each route may have a second attempt beside the first: a share, saved up from call to call."""

    def __init__(self) -> None:
        self._saved: dict[str, float] = {}  # by route

    def request(self, route: str, percent: float) -> None:
        """Count a call of a route."""
        self._saved[route] = min(max(1.0, percent), self._saved.get(route, 0.0) + percent / 100)

    def take(self, route: str) -> bool:
        """Say whether this call may have one, and count it."""
        saved = self._saved.get(route, 0.0)
        if saved < 1 - 1e-9:  # twenty times five hundredths is one
            return False
        self._saved[route] = saved - 1
        return True

"""Whether a call may be made, by all its claims at once; and what it used, once it is over.

Counters are this process's own, or those in the Redis that processes share. While that is away each limit holds as its
`while_away` says: `closed` refuses, `open` lets pass, `local_share` counts in this process, by the limit divided by the
number of processes that were last heard of, and a budget by that share of what was left.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gateway.stores.limits.local import LocalCounters, States
from gateway.stores.limits.meters import Claim
from gateway.stores.limits.shared import Dead, SharedCounters

MAX_REMEMBERED = 100_000  # subjects of budgets of which is known what was left when Redis was last here

OnSpent = Callable[[Claim, int, int], None]  # nano-dollars spent before and after
Restored = Sequence[tuple[Claim, int]] | None
UsedOf = Callable[[Claim], int]
Settle = Callable[[States, UsedOf], None]  # of each claim with its state, what was used
Mark = Callable[[], None]  # called at the moment as of which the ledger is read


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which claim cannot be granted, and after how many seconds it could; None: not by waiting."""

    claim: Claim
    wait_s: float | None
    states: States = ()
    is_away: bool = False  # nothing is used up: the counters cannot be reached, and the limit is closed then


class Hold:
    """What a call holds, settled once however often that is asked."""

    __slots__ = ("_is_settled", "_limiter", "_passed", "_settle", "states")

    def __init__(self, limiter: Limiter, settle: Settle, states: States, passed: Sequence[Claim] = ()) -> None:
        """`settle` is asked for all claims of `states`; `passed` are those that nothing counts just now."""
        self.states = states
        self._limiter = limiter
        self._settle = settle
        self._passed = passed
        self._is_settled = False

    def settle(self, used: UsedOf) -> None:
        """Put what was used of each claim in the place of what is held."""
        if self._is_settled:
            return
        self._is_settled = True
        self._settle(self.states, used)
        for claim in self._passed:
            if claim.meter.kind == "money":
                self._limiter.shared.spent_elsewhere(claim, used(claim))


class Limiter:
    def __init__(self, now: Callable[[], float], on_spent: OnSpent | None = None) -> None:
        self.now = now
        self.local = LocalCounters(now)
        self._on_spent = on_spent
        self.shared = SharedCounters(now, self._restored, self._tell_spent, self._dead)
        self.restore: Callable[[Mark], Awaitable[Restored]] | None = None  # set where there is a ledger
        self.dead: Dead | None = None  # likewise
        self._left: OrderedDict[str, int] = OrderedDict()  # counter's key -> nano-dollars left when last heard

    async def reserve(self, claims: Sequence[Claim]) -> Hold | Refusal:
        """Grant all claims or none; a refusal consumes nothing."""
        if not self.shared.is_wanted:
            refused, states = self.local.reserve(claims)
            if refused is not None:
                return Refusal(refused.claim, refused.wait_s, states)
            return Hold(self, self._settle_locally, states)
        found = await self.shared.reserve(claims)
        if found is None:
            return self._reserve_alone(claims)
        refused, states = found
        self._remember(states)
        if refused is not None:
            return Refusal(refused.claim, refused.wait_s, states)
        return Hold(self, self._settle_shared, states)

    async def aclose(self) -> None:
        await self.shared.aclose()

    def _settle_locally(self, states: States, used: UsedOf) -> None:
        settle = self.local.settle
        for claim, state in states:
            amount = used(claim)
            spent = settle(claim, state.place, amount)
            if spent is None:
                continue
            if self.shared.is_wanted:
                self.shared.spent_elsewhere(claim, amount)
            else:
                self._tell_spent(claim, spent - amount, spent)

    def _settle_shared(self, states: States, used: UsedOf) -> None:
        for claim, state in states:
            self.shared.settle(claim, state.place, used(claim))

    def _reserve_alone(self, claims: Sequence[Claim]) -> Hold | Refusal:
        """While the counters that processes share are away."""
        closed = next((claim for claim in claims if claim.meter.limit.while_away == "closed"), None)
        if closed is not None:
            return Refusal(closed, 1.0, is_away=True)
        counted = [claim for claim in claims if claim.meter.limit.while_away == "local_share"]
        shares = {claim.key: self._share(claim) for claim in counted}
        refused, states = self.local.reserve(counted, shares)
        if refused is not None:
            return Refusal(refused.claim, refused.wait_s, states)
        passed = [claim for claim in claims if claim.meter.limit.while_away == "open"]
        return Hold(self, self._settle_locally, states, passed)

    def _share(self, claim: Claim) -> int:
        """This process's part of a limit; at least one call, so that a small limit does not close for all."""
        amount = claim.meter.amount
        if claim.meter.kind == "money":
            return self._left.get(claim.key, amount) // max(1, self.shared.living)
        return min(amount, max(1, amount // max(1, self.shared.living)))

    def _remember(self, states: States) -> None:
        for claim, state in states:
            if claim.meter.kind == "money":
                self._left[claim.key] = state.left
                self._left.move_to_end(claim.key)
                if len(self._left) > MAX_REMEMBERED:
                    self._left.popitem(last=False)

    def _tell_spent(self, claim: Claim, before: int, after: int) -> None:
        if self._on_spent is not None:
            self._on_spent(claim, before, after)

    async def _restored(self, mark: Mark) -> Restored:
        return await self.restore(mark) if self.restore is not None else None

    async def _dead(self, names: list[str]) -> list[str]:
        return await self.dead(names) if self.dead is not None else []

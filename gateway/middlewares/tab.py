"""What a live session holds of its limits: a step at first, further ones while it goes on, settled once at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.errors import GatewayError
from gateway.stores.limits import Claim, Hold, Limiter, Refusal, State
from gateway.types import Call, Growing, Live

ClaimsOf = Callable[[Growing], list[Claim]]
Refused = Callable[[Refusal], GatewayError]
# Of each thing that grows: what is held more of. A call and a request are held from the first.
_HELD: Mapping[Growing, frozenset[str]] = {
    "seconds": frozenset({"audio_ms", "budget"}),
    "characters": frozenset({"characters", "budget"}),
    "tokens": frozenset({"tokens", "budget"}),
}
_GROWING = frozenset().union(*_HELD.values())


class Tab:
    """Stands where an ordinary call's one `Hold` does."""

    def __init__(self, limiter: Limiter, hold: Hold, claims_of: ClaimsOf, refused: Refused) -> None:
        self._limiter = limiter
        self._holds = [hold]
        self._claims_of = claims_of
        self._refused = refused

    async def more(self, what: Growing) -> float:
        """Hold another step of `what`. Returns the part of one that there was.

        Where less than a step is left of a limit that part is held, so that what was granted can be used up. Raises
        RateLimited, BudgetExceeded or LimitsAway.
        """
        claims = [claim for claim in self._claims_of(what) if claim.meter.what in _HELD[what]]
        if not claims:
            return 1.0
        found = await self._limiter.reserve(claims)
        part = 1.0
        if isinstance(found, Refusal):
            part = min((_part(claim, state) for claim, state in found.states), default=0.0)
            if part <= 0:
                raise self._refused(found)
            smaller = [Claim(each.meter, each.subject, max(1, int(each.amount * part))) for each in claims]
            found = await self._limiter.reserve(smaller)
            if isinstance(found, Refusal):
                raise self._refused(found)
        self._holds.append(found)
        return part

    def settle(self, used: Callable[[Claim], int]) -> None:
        """Put what was used of each claim in the place of all that is held of it."""
        holds, self._holds = self._holds, []
        left: dict[str, int] = {}

        def share(claim: Claim, *, is_last: bool) -> int:
            if claim.meter.what not in _GROWING:
                return used(claim)
            remaining = left.setdefault(claim.key, used(claim))
            mine = remaining if is_last else min(remaining, claim.amount)
            left[claim.key] = remaining - mine
            return mine

        for hold in holds[1:]:
            hold.settle(lambda claim: share(claim, is_last=False))
        for hold in holds[:1]:  # it has every claim; the others may have fewer
            hold.settle(lambda claim: share(claim, is_last=True))


def _part(claim: Claim, state: State) -> float:
    """Return how much of a step is left: a window of which nothing is left gives none."""
    return min(1.0, state.left / claim.amount) if claim.amount else 1.0


def step_of(call: Call, what: Growing) -> Call:
    """Return the call as it claims a step of one thing only."""
    assert isinstance(call.body, Live)
    return replace(call, body=replace(call.body, step=what))

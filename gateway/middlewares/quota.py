"""May they? Requests, tokens, characters, audio and money per window or period, and calls at once; for whom YAML says.

What a call may use at most is held before it, and what it used is put in its place after, however it ends. A refusal
consumes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from gateway.config.model import Config, Route
from gateway.errors import BudgetExceeded, GatewayError, LimitsAway, RateLimited
from gateway.middlewares.claims import Factor, Rule, claims_of, is_per_target, plain, rules_of, told, used
from gateway.middlewares.tab import Tab, step_of
from gateway.services import Services
from gateway.stores.limits import Claim, Hold, Limiter, Refusal, State
from gateway.types import (
    EMPTY,
    NANO_USD,
    Call,
    Facts,
    Handler,
    Limit,
    Live,
    Middleware,
    Rate,
    Receipt,
    Reply,
    Target,
    replace,
)

MAX_OWN = 1_000  # keys' limits of which the rules are kept; keys that are limited alike share theirs


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    """Always there: a key may bring limits of its own."""
    own = (route.quota,) if route.quota is not None else ()
    limits = (*own, *(limit for limit in config.limits if not is_per_target(limit)))
    return Quota(limits, services.limiter, config.substitutes, services.calibration.factor)


class Quota:
    def __init__(
        self,
        limits: tuple[Limit, ...],
        limiter: Limiter,
        substitutes: Mapping[str, tuple[Target, ...]] = EMPTY,
        factor: Factor = plain,
    ) -> None:
        self._factor = factor
        self._rules = rules_of(limits)
        self._limiter = limiter
        self._substitutes = substitutes
        self._own: dict[int, tuple[tuple[Limit, ...], tuple[Rule, ...]]] = {}  # of keys' limits, by their id

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        rules = self._rules if not call.client.limits else (*self._rules, *self._own_rules(call.client.limits))
        if not rules:
            return await handler(call)
        hold = await self._limiter.reserve(claims_of(rules, call, self._factor))
        if isinstance(hold, Refusal):
            call, hold = await self._instead(call, rules, hold)
        receipt = call.receipt
        receipt.limits = hold.states
        owed = _Owed(self._tab(call, rules, hold) if isinstance(call.body, Live) else hold, receipt)
        try:
            receipt.headers |= told(hold.states)
            reply = await handler(call)
        except BaseException:
            owed.settle()
            raise
        return Reply(reply.events, (owed.close, *reply.closers))

    def _tab(self, call: Call, rules: tuple[Rule, ...], hold: Hold) -> Tab:
        """Return what a live session goes on with from its first hold."""
        assert isinstance(call.body, Live)
        tab = Tab(self._limiter, hold, lambda what: claims_of(rules, step_of(call, what), self._factor), refused)
        call.body.session.covers.append(tab.more)
        return tab

    async def explain(self, call: Call, facts: Facts) -> Call:
        """Hold what the call would hold, and give it back: it meets what a request would meet just now."""
        rules = (*self._rules, *rules_of(call.client.limits))
        receipt = call.receipt
        try:
            if rules:
                hold = await self._limiter.reserve(claims_of(rules, call, self._factor))
                if isinstance(hold, Refusal):
                    call, hold = await self._instead(call, rules, hold)
                hold.settle(lambda claim: 0)
                receipt.limits = hold.states
        finally:
            facts["limits"] = [_fact(claim, state) for claim, state in receipt.limits]
        return call

    def _own_rules(self, limits: tuple[Limit, ...]) -> tuple[Rule, ...]:
        """Return the rules of a key's own limits, which are made at its first call."""
        known = self._own.get(id(limits))
        if known is None:
            if len(self._own) >= MAX_OWN:
                self._own.clear()
            known = self._own[id(limits)] = (
                limits,
                rules_of(limits),
            )  # the limits, too: while they are held, so is the id
        return known[1]

    async def _instead(self, call: Call, rules: tuple[Rule, ...], found: Refusal) -> tuple[Call, Hold]:
        """Beyond a budget that says so a cheaper model serves: hold what the call may use then, or raise."""
        substitute = self._substitute(call, found.claim)
        if substitute is not None:
            beyond = found.claim.meter.limit
            hold = await self._limiter.reserve(claims_of(rules, substitute, self._factor, beyond=beyond))
            if isinstance(hold, Hold):
                substitute.receipt.headers["x-gateway-degraded"] = f"{call.model} -> {substitute.model}"
                return substitute, hold
            found = hold
        call.receipt.limits = found.states
        call.receipt.headers |= told(found.states)
        meter = found.claim.meter
        call.receipt.refused_by = meter.limit.name, meter.what.replace("audio_ms", "audio_seconds")
        raise refused(found)

    def _substitute(self, call: Call, claim: Claim) -> Call | None:
        """Return the call as the limit's cheaper model serves it; None where it names none for this model."""
        degrade = claim.meter.limit.degrade
        if claim.meter.kind != "money" or not degrade:
            return None
        model = degrade.get(call.model) or next(
            (other for pattern, other in degrade.items() if fnmatchcase(call.model, pattern)), None
        )
        targets = self._substitutes.get(model or "", ())
        usable = tuple(target for target in targets if target.model.operation == call.operation)
        if model is None or model == call.model or not usable:
            return None
        return replace(call, model=model, targets=usable)


class _Owed:
    """What a call holds, which is settled by what it used."""

    __slots__ = ("_receipt", "_tab")

    def __init__(self, tab: Tab | Hold, receipt: Receipt) -> None:
        self._tab = tab
        self._receipt = receipt

    def settle(self) -> None:
        self._tab.settle(partial(used, self._receipt.attempts, self._receipt.cost_nano_usd))

    async def close(self) -> None:
        self.settle()


def _fact(claim: Claim, state: State) -> dict[str, Any]:
    """In whole units of the meter, nano-dollars for money and milliseconds for audio. `left`: after this call."""
    meter = claim.meter
    return {
        "limit": meter.limit.name,
        "of": claim.subject,
        "unit": meter.what,
        "amount": meter.amount,
        "window_s": meter.window_s or None,
        "period": meter.period if meter.kind == "money" else None,
        "needs": claim.amount,
        "left": state.left,
        "resets_in_s": state.reset_s,
    }


def refused(refusal: Refusal) -> GatewayError:
    """Return the error that says which limit, whose, and when it frees."""
    claim, wait_s = refusal.claim, refusal.wait_s
    meter, limit = claim.meter, claim.meter.limit
    if refusal.is_away:
        return LimitsAway(
            f"the limit '{limit.name}' cannot be looked up just now, and is closed until it can", retry_after_s=wait_s
        )
    frees = f"it frees in {math.ceil(wait_s)} s" if wait_s is not None else "it does not free by waiting"
    whose = f"'{limit.name}' for {claim.subject!r}"
    if meter.kind == "money":
        period = "in total" if meter.period == "total" else f"a {meter.period}"
        wait = f", or wait {math.ceil(wait_s)} s" if wait_s is not None else ""
        return BudgetExceeded(
            f"the budget {whose}, {meter.amount / NANO_USD:g} USD {period}, does not cover this request; "
            f"ask the operator for more{wait}",
            retry_after_s=wait_s,
        )
    if meter.kind == "concurrent":
        return RateLimited(
            f"the limit {whose} lets {meter.amount} calls run at once; {frees} or when one of them ends",
            retry_after_s=wait_s,
        )
    return RateLimited(_beyond(claim, whose, frees), retry_after_s=wait_s)


def _beyond(claim: Claim, whose: str, frees: str) -> str:
    meter = claim.meter
    scale, unit = (1000, "audio seconds") if meter.unit == "audio_ms" else (1, str(meter.unit))
    rate = str(Rate(meter.amount // scale, meter.window_s)).replace(" per", f" {unit} per", 1)
    if claim.amount > meter.amount:
        return f"this request needs {claim.amount // scale} {unit} and the limit {whose} is {rate}: make it smaller"
    return f"the limit {whose}, {rate}, is used up; {frees}"

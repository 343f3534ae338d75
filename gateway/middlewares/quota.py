"""May they? Requests per window and money per period, for each key, or for each address where there is no key.

A refusal consumes nothing. Money is reserved at an upper estimate before the call and settled at what it cost after.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gateway.config.model import Budget, Config, Route
from gateway.errors import BudgetExceeded, RateLimited
from gateway.middlewares.estimate import upper_cost
from gateway.services import Services
from gateway.stores.budgets import Budgets, Reservation
from gateway.stores.rates import Rate, Rates
from gateway.stores.shared_rates import SharedRates, Taken
from gateway.types import NANO_USD, Call, Handler, Middleware, Reply


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    if route.quota is None:
        return None
    rates = tuple(services.rates.parse(text) for text in route.quota.requests)
    return Quota(rates, services.rates, route.quota.budget, services.budgets, services.shared_rates)


class Quota:
    def __init__(
        self,
        limits: tuple[Rate, ...],
        rates: Rates,
        budget: Budget | None,
        budgets: Budgets,
        shared: SharedRates | None = None,
    ) -> None:
        self._limits = limits
        self._rates = rates
        self._budget = budget
        self._budgets = budgets
        self._shared = shared

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        held = self._reserve(call)
        try:
            await self._take(call)
            reply = await handler(call)
        except BaseException:
            held.settle()
            raise
        return replace(reply, closers=(held.close, *reply.closers))

    async def _take(self, call: Call) -> None:
        """Count the request, or raise RateLimited. After the budget, which would otherwise refuse what was counted."""
        if not self._limits:
            return
        who = call.client.name
        taken = await self._shared.take(self._limits, who) if self._shared is not None else None
        if taken is None:
            refused = self._rates.take(self._limits, who)
            taken = Taken(refused, tuple(self._rates.left(rate, who) for rate in self._limits))
        refused = taken.refused
        call.receipt.headers |= _headers(self._limits, taken)
        if refused is not None:
            raise RateLimited(
                f"the limit of {refused.rate} requests for {who!r} is used up; "
                f"it frees in {math.ceil(refused.wait_s)} s",
                retry_after_s=refused.wait_s,
            )

    def _reserve(self, call: Call) -> _Held:
        """Hold what the call may cost, or raise BudgetExceeded."""
        budget = self._budget
        if budget is None:
            return _Held(self._budgets, None, call)
        who = call.client.name
        reservation = self._budgets.reserve(who, budget.window, budget.limit_nano_usd, upper_cost(call))
        if reservation is None:
            left_s = self._budgets.resets_in_s(budget.window)
            raise BudgetExceeded(
                f"the budget of {budget.limit_nano_usd / NANO_USD:g} USD a {budget.window} for {who!r} does not cover "
                f"this request; ask the operator for more" + (f", or wait {math.ceil(left_s)} s" if left_s else ""),
                retry_after_s=left_s,
            )
        return _Held(self._budgets, reservation, call)


class _Held:
    """A reservation, settled once however often it is closed."""

    __slots__ = ("_budgets", "_call", "_reservation")

    def __init__(self, budgets: Budgets, reservation: Reservation | None, call: Call) -> None:
        self._budgets = budgets
        self._reservation = reservation
        self._call = call

    def settle(self) -> None:
        if self._reservation is not None:
            self._budgets.settle(self._reservation, self._call.receipt.cost_nano_usd or 0)
            self._reservation = None

    async def close(self) -> None:
        self.settle()


def _headers(limits: tuple[Rate, ...], taken: Taken) -> dict[str, str]:
    """OpenAI's names, for the limit that is nearest to its end."""
    rate, (left, reset_s) = min(zip(limits, taken.left, strict=True), key=lambda row: row[1][0] / max(row[0].amount, 1))
    return {
        "x-ratelimit-limit-requests": str(rate.amount),
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": f"{math.ceil(reset_s)}s",
    }

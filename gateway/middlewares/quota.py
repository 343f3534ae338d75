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
from gateway.types import NANO_USD, Call, Closer, Handler, Middleware, Reply


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    if route.quota is None:
        return None
    rates = tuple(services.rates.parse(text) for text in route.quota.requests)
    return Quota(rates, services.rates, route.quota.budget, services.budgets)


class Quota:
    def __init__(self, limits: tuple[Rate, ...], rates: Rates, budget: Budget | None, budgets: Budgets) -> None:
        self._limits = limits
        self._rates = rates
        self._budget = budget
        self._budgets = budgets

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        who = call.client.name
        refused = self._rates.take(self._limits, who)
        if self._limits:
            call.receipt.headers |= _headers(self._rates, self._limits, who)
        if refused is not None:
            raise RateLimited(
                f"the limit of {refused.rate} requests for {who!r} is used up; "
                f"it frees in {math.ceil(refused.wait_s)} s",
                retry_after_s=refused.wait_s,
            )
        if self._budget is None:
            return await handler(call)
        return await self._with_budget(call, handler, self._budget)

    async def _with_budget(self, call: Call, handler: Handler, budget: Budget) -> Reply:
        who = call.client.name
        reservation = self._budgets.reserve(who, budget.window, budget.limit_nano_usd, upper_cost(call))
        if reservation is None:
            left_s = self._budgets.resets_in_s(budget.window)
            raise BudgetExceeded(
                f"the budget of {budget.limit_nano_usd / NANO_USD:g} USD a {budget.window} for {who!r} does not cover "
                f"this request; ask the operator for more" + (f", or wait {math.ceil(left_s)} s" if left_s else ""),
                retry_after_s=left_s,
            )
        settle = _settle(self._budgets, reservation, call)
        try:
            reply = await handler(call)
        except BaseException:
            await settle()
            raise
        return replace(reply, closers=(settle, *reply.closers))


def _settle(budgets: Budgets, reservation: Reservation, call: Call) -> Closer:
    async def settle() -> None:
        budgets.settle(reservation, call.receipt.cost_nano_usd or 0)

    return settle


def _headers(rates: Rates, limits: tuple[Rate, ...], who: str) -> dict[str, str]:
    """OpenAI's names, for the limit that is nearest to its end."""
    rate, left, reset_s = min(
        ((rate, *rates.left(rate, who)) for rate in limits), key=lambda row: row[1] / max(row[0].amount, 1)
    )
    return {
        "x-ratelimit-limit-requests": str(rate.amount),
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": f"{math.ceil(reset_s)}s",
    }

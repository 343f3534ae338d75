"""Is this target's share used up? Limits per provider, which only an attempt can tell; beyond one the next target is
asked."""

from __future__ import annotations

from gateway.config.model import Config, Route
from gateway.errors import TargetLimited
from gateway.middlewares.claims import Factor, claims_of, is_per_target, plain, rules_of, used
from gateway.middlewares.quota import refused
from gateway.middlewares.tab import Tab, step_of
from gateway.services import Services
from gateway.stores.limits import Hold, Limiter, Refusal
from gateway.types import Call, Handler, Limit, Live, Middleware, Reply, replace


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    limits = tuple(limit for limit in config.limits if is_per_target(limit))
    return Allotment(limits, services.limiter, services.calibration.factor) if limits else None


class Allotment:
    def __init__(self, limits: tuple[Limit, ...], limiter: Limiter, factor: Factor = plain) -> None:
        self._factor = factor
        self._rules = rules_of(limits)
        self._limiter = limiter

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        attempt = call.attempt
        if attempt is None:
            raise RuntimeError("failover opens the attempt before its limits are asked")
        narrowed = replace(call, targets=(call.target,)) if call.target is not None else call
        claims = claims_of(self._rules, narrowed, self._factor)
        if not claims:
            return await handler(call)
        hold = await self._limiter.reserve(claims)
        if isinstance(hold, Refusal):
            error = refused(hold)
            raise TargetLimited(error.message, retry_after_s=error.retry_after_s)
        tab: Hold | Tab = hold
        covers = call.body.session.covers if isinstance(call.body, Live) else []
        if isinstance(call.body, Live):
            tab = Tab(
                self._limiter, hold, lambda what: claims_of(self._rules, step_of(narrowed, what), self._factor), refused
            )
            covers.append(tab.more)

        def settle() -> None:
            tab.settle(lambda claim: used([attempt], attempt.cost_nano_usd, claim))

        async def close() -> None:
            settle()

        try:
            reply = await handler(call)
        except BaseException:
            if isinstance(tab, Tab):
                covers.remove(tab.more)  # of a target that does not serve the session
            settle()
            raise
        return replace(reply, closers=(close, *reply.closers))

"""What each route allows a key, and how much of it a key has left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.admin.access import is_visible
from gateway.admin.ask import Answer, Ask
from gateway.admin.usage import in_usd
from gateway.errors import NotFound
from gateway.stores.keys.store import UnknownKey
from gateway.stores.keys.terms import limits_of
from gateway.stores.limits import Claim, Hold, Meter, State, meters_of
from gateway.stores.slots import Slots
from gateway.types import Limit

ANONYMOUS = "anonymous"  # the tenant of everybody without a key


@dataclass(frozen=True, slots=True)
class _Holder:
    tenant: str
    limits: tuple[Limit, ...] = ()  # of the key alone


async def show_limits(ask: Ask) -> Answer:
    """Every limit with its meters; for a key, what is left of those that it or its tenant alone decides. And how many
    calls run and wait at each limit of calls at once of this process."""
    key: str | None = ask.query.get("key")
    holder = None if key is None else await _holder(ask, key)
    config = ask.snapshot.config
    quotas: dict[str, tuple[Limit, list[str]]] = {}
    for route in config.routes:
        if route.quota is not None:
            quotas.setdefault(route.quota.name, (route.quota, []))[1].append(route.name)
    own = holder.limits if holder is not None else ()
    found = [*quotas.values(), *((limit, []) for limit in (*config.limits, *own))]
    values = {} if key is None or holder is None else {"key": key, "tenant": holder.tenant}
    return {
        "key": key,
        "is_shared": ask.services.limiter.shared.is_wanted,
        "limits": [await _limit(ask, limit, routes, values) for limit, routes in found],
        "concurrent": [_slots(slots) for slots in ask.services.slots.limited()],
    }


def _slots(slots: Slots) -> Answer:
    policy = slots.policy
    assert policy is not None  # only those are listed that limit something
    return {
        "limit": slots.name,
        "running": slots.running,
        "limit_now": slots.limit,
        "min": policy.min,
        "max": policy.max,
        "waiting": slots.waiting,
        "queue": policy.queue,
        "max_wait_s": policy.max_wait_s,
        "refused": dict(slots.refused),
    }


async def _holder(ask: Ask, key: str) -> _Holder:
    """Return whose key it is. Raises NotFound where there is none that may be seen."""
    found = await _found(ask, key)
    if found is None or not is_visible(ask.client, found.tenant):
        raise NotFound("there is no such key; give an id of GET /admin/keys, or a name of routes.yaml", param="key")
    return found


async def _found(ask: Ask, key: str) -> _Holder | None:
    declared = next((found for found in ask.snapshot.config.keys.static if found.name == key), None)
    if declared is not None:
        return _Holder(declared.tenant, declared.limits)
    store = ask.services.keys.store
    if store is not None:
        try:
            stored = await asyncio.to_thread(store.show, key)
        except UnknownKey:
            pass
        else:
            return _Holder(stored.tenant, limits_of(stored.limits)) if stored.id == key else None
    # Who has no key is counted by his address.
    return _Holder(ANONYMOUS) if ask.tenant is None and key.startswith("ip:") else None


async def _limit(ask: Ask, limit: Limit, routes: list[str], values: Mapping[str, str]) -> Answer:
    subject = _subject(limit, values)
    claims = [Claim(meter, subject or "", 0, is_soft=True) for meter in meters_of(limit)]
    states: list[State | None] = [None] * len(claims)
    if subject is not None:
        found = await ask.services.limiter.reserve(claims)  # of nothing: it only tells
        states = [state for _, state in found.states] if len(found.states) == len(claims) else states
        if isinstance(found, Hold):
            found.settle(lambda claim: 0)
    return {
        "limit": limit.name,
        "routes": routes,
        "per": list(limit.per),
        "only": {name: list(patterns) for name, patterns in limit.only.items()},
        "subject": subject,
        "meters": [_meter(claim.meter, state) for claim, state in zip(claims, states, strict=True)],
    }


def _meter(meter: Meter, state: State | None) -> Answer:
    scale = 1000 if meter.unit == "audio_ms" else 1
    unit = {"audio_ms": "audio_seconds"}.get(meter.what, meter.what)
    is_money = meter.kind == "money"
    left = None if state is None else state.left
    return {
        "unit": "usd" if is_money else unit,
        "window_s": meter.window_s or None,
        "period": meter.period if is_money else None,
        "limit": in_usd(meter.amount) if is_money else meter.amount // scale,
        "left": None if left is None else in_usd(left) if is_money else left // scale,
        "resets_in_s": None if state is None else state.reset_s,
    }


def _subject(limit: Limit, values: Mapping[str, str]) -> str | None:
    """Whose counter it is for a key; None where there is none, or more than the key and its tenant decides."""
    if not values or not set(limit.per) <= values.keys():
        return None
    return " ".join(f"{name}={values[name]}" for name in limit.per) or "all"

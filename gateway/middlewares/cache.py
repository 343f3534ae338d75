"""Have we answered this, for this tenant? A complete answer of the same request is given again, while it is good.

What is kept is looked up here and written by `keep`, on the other side of `coalesce`, where it passes once however many
wait for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway.config.model import Cache as Policy
from gateway.config.model import Config, Route
from gateway.errors import GatewayError
from gateway.middlewares import replay
from gateway.middlewares.errand import Errands
from gateway.middlewares.fingerprint import Fingerprints, Lookup
from gateway.middlewares.wishes import Wish, is_young, wish_of
from gateway.services import Services
from gateway.stores.cache import CacheStore, Entry, Found, Key
from gateway.types import Call, Event, Facts, Handler, Middleware, Recording, Reply

LOGGER = logging.getLogger("gateway")

KEY_HEADER = "x-gateway-cache-key"


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    if route.cache is None:
        return None
    return Cache(route.cache, services.cache, Fingerprints(route), Errands(route, config, services))


class Cache:
    def __init__(self, policy: Policy, store: CacheStore, fingerprints: Fingerprints, errands: Errands) -> None:
        self._policy = policy
        self._store = store
        self._fingerprints = fingerprints
        self._errands = errands

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        wish = wish_of(call.head.headers)
        receipt = call.receipt
        if wish.is_unkept:
            receipt.cache = "bypass"
            return await handler(call)
        key, mode = await self._fingerprints.key(call)
        ttl_s = self._policy.ttl_s if wish.ttl_s is None else min(wish.ttl_s, self._policy.max_ttl_s)
        receipt.lookup = Lookup(key, mode, ttl_s)
        receipt.headers[KEY_HEADER] = key.digest
        if wish.is_fresh:
            receipt.cache = "bypass"
            return await handler(call)
        found = await self._store.find(key)
        if found is not None and (reply := await self._given(call, found, wish, handler)) is not None:
            return reply
        receipt.cache = "miss"
        try:
            return await handler(call)
        except GatewayError as error:
            if not _is_outage(error):
                raise
            stale = await self._instead(call, found, wish)
            if stale is None:
                raise
            return stale

    async def explain(self, call: Call, facts: Facts) -> Call:
        """Tell what the answer is known by, and whether it is kept."""
        wish = wish_of(call.head.headers)
        if wish.is_unkept:
            facts["cache"] = {"result": "bypass"}
            return call
        key, _ = await self._fingerprints.key(call)
        found = None if wish.is_fresh else await self._store.find(key)
        result, now = "bypass" if wish.is_fresh else "miss", self._store.now()
        if found is not None and self._is_given(call, found.entry, wish):
            result = "hit" if now < found.entry.fresh_until else "stale"
        facts["cache"] = {"result": result, "key": key.digest}
        return call

    def _is_given(self, call: Call, entry: Entry, wish: Wish) -> bool:
        now = self._store.now()
        # A recording is gone with its request, and what was said in it does not change.
        grace_s = 0.0 if isinstance(call.body, Recording) else self._policy.stale_while_revalidate_s
        return now - entry.fresh_until < grace_s and is_young(entry, now, wish)

    async def _given(self, call: Call, found: Found, wish: Wish, handler: Handler) -> Reply | None:
        """Return what is kept where it is good enough, and see that it is asked for anew where it begins not to be."""
        entry, now = found.entry, self._store.now()
        late_s = now - entry.fresh_until
        if not self._is_given(call, entry, wish):
            return None
        assert isinstance(call.receipt.lookup, Lookup)
        events = await replay.events_for(call, entry, call.receipt.lookup.mode)
        if events is None:
            return None
        self._store.hits[found.store] += 1
        if late_s >= 0:
            self._refresh(call, handler)
        return self._reply(call, entry, events, "stale" if late_s >= 0 else "hit", now)

    async def _instead(self, call: Call, found: Found | None, wish: Wish) -> Reply | None:
        """Return what stands in where nobody answers: what is kept of the first choice, else of a fallback."""
        if not self._policy.stale_if_error_s:
            return None
        assert isinstance(call.receipt.lookup, Lookup)
        key = call.receipt.lookup.key
        slots: list[Key] = [key.of(target.name) for target in call.targets]
        entries = [found.entry] if found is not None else []
        for slot in slots if not entries else ():
            kept = await self._store.find(slot)
            if kept is not None:
                entries.append(kept.entry)
        now = self._store.now()
        for entry in entries:
            if now < entry.fresh_until + self._policy.stale_if_error_s and is_young(entry, now, wish):
                events = await replay.events_for(call, entry, call.receipt.lookup.mode)
                if events is not None:
                    return self._reply(call, entry, events, "stale", now)
        return None

    def _reply(self, call: Call, entry: Entry, events: Sequence[Event], result: str, now: float) -> Reply:
        age_s, is_paced = now - entry.stored_at, self._policy.has_original_pace
        return replay.reply(call, entry, events, result, age_s=age_s, is_paced=is_paced)

    def _refresh(self, call: Call, handler: Handler) -> None:
        """Have the answer asked for anew, beside the requests, once however many want it."""
        lookup = call.receipt.lookup
        assert isinstance(lookup, Lookup)

        async def work() -> None:
            try:
                await self._errands.run(self._errands.derive(call, "refresh"), handler)
            except GatewayError as error:
                LOGGER.info("an answer was not refreshed: %s", error.code)

        self._store.refresh(lookup.key, work)


def _is_outage(error: GatewayError) -> bool:
    """Whether it is not the client's doing, so that what is kept may stand in."""
    return error.blame == "upstream" or error.status == 503

"""The answers that are kept: how many, and how to be rid of some."""

from __future__ import annotations

import logging

from gateway.admin.access import check_every_tenant
from gateway.admin.ask import Answer, Ask
from gateway.errors import PermissionDenied, StoreUnavailable
from gateway.stores.cache import Purge
from gateway.stores.cache.disk import DiskStore
from gateway.stores.cache.memory import MemoryStore

LOGGER = logging.getLogger("gateway")


async def show_cache(ask: Ask) -> Answer:
    """What this process keeps; of the Redis that processes share, only whether it is there."""
    check_every_tenant(ask.client)
    cache = ask.services.cache
    stores: dict[str, MemoryStore | DiskStore] = {"memory": cache.memory, "disk": cache.disk}
    held = {
        name: {
            "entries": len(store),
            "size_bytes": store.size_bytes,
            "max_bytes": store.max_bytes,
            "evictions": store.evictions,
            "hits": cache.hits[name],
        }
        for name, store in stores.items()
    }
    return {
        "memory": held["memory"],
        "disk": held["disk"] if cache.disk.is_open else None,
        "redis": {"is_here": cache.shared.is_here, "hits": cache.hits["redis"], "failures": cache.shared.failures}
        if cache.shared.is_wanted
        else None,
    }


async def purge_cache(ask: Ask) -> Answer:
    """Drop what agrees with all that is given; a key of one tenant reaches that tenant's answers alone."""
    tenant: str | None = ask.query.get("tenant", ask.tenant)
    if ask.tenant is not None and tenant != ask.tenant:
        raise PermissionDenied(
            f"the key {ask.client.name!r} is of {ask.tenant!r}, and purges that tenant's answers alone", param="tenant"
        )
    what = Purge(ask.query.get("cache_key"), tenant, ask.query.get("route"))
    gone = await ask.services.cache.purge(what)
    LOGGER.warning("answers were purged by %s: %s", ask.client.name, gone)
    if "redis" in gone and gone["redis"] is None:
        raise StoreUnavailable(
            "redis is away: what this process itself keeps is purged, what is in redis is not; ask again",
            retry_after_s=1.0,
        )
    return {name: gone.get(name) for name in ("memory", "disk", "redis")}

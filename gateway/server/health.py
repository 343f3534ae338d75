"""Is it well? Judged by what traffic met with: breakers, the newest outcomes, stores. Nobody is called to find out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from gateway import __version__
from gateway.config.model import Config, ModelAlias
from gateway.services import Services
from gateway.snapshot import Snapshot
from gateway.stores.breakers import Breaker
from gateway.stores.breakers.facts import standing
from gateway.stores.ledger.writer import MAX_WAITING
from gateway.telemetry.seen import FAILING
from gateway.telemetry.states import States
from gateway.types import Head, Provider, Target

State = Literal["ok", "degraded", "failing"]
Answer = tuple[int, str, bytes | dict[str, object]]  # status, content type, body

JSON = "application/json"
OPERATIONS = ("chat", "embeddings", "speech", "transcription")


async def live(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    """The process runs: what answers is not stuck."""
    return 200, JSON, {"status": "ok"}


async def ready(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    """Whether a call that comes now can be served: not while it stops, nor while no model has a target to be asked."""
    if is_draining:
        return 503, JSON, {"status": "stopping"}
    reason = _unable(snapshot.config, services)
    return (200, JSON, {"status": "ok"}) if reason is None else (503, JSON, {"status": "failing", "reason": reason})


async def health(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    """The whole, and each provider: on and how it does, or why it is off."""
    config = snapshot.config
    providers = {name: _provider(provider, services) for name, provider in config.providers.items()}
    unserved = sorted(alias.pattern for alias in config.models if alias.targets and not _is_served(alias, services))
    reason = _unable(config, services)
    is_degraded = (
        bool(unserved)
        or services.ledger.is_away
        or any(provider.get("health", "ok") != "ok" for provider in providers.values())
    )
    state: State = "failing" if reason is not None else "degraded" if is_degraded else "ok"
    body: dict[str, object] = {
        "status": "stopping" if is_draining else state,
        "time": now(),
        "uptime_s": round(time.time() - services.started_at, 1),
        "config": snapshot.generation,
        "operations": {operation: _able(config, operation) for operation in OPERATIONS},
        "unserved_models": unserved,
        "providers": providers,
    }
    if reason is not None:
        body["reason"] = reason
    return 503 if is_draining or reason is not None else 200, JSON, body


async def detailed(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    """What `health` says, and what it is judged by: traffic, breakers, stores, and figures of the process."""
    status, content_type, body = await health(head, snapshot, services, is_draining)
    assert isinstance(body, dict)
    breakers, seen = services.breakers, services.seen
    told: dict[str, Any] = {
        **body,
        "version": __version__,
        "statistics": _statistics(snapshot.config, services),
        "targets": {name: standing(breaker, breakers.now_s()) for name, breaker in breakers.all().items()},
        "traffic": {
            name: found.told(seen.now())
            for name in snapshot.config.providers
            if (found := seen.provider(name)) is not None
        },
        "timings": {
            "calls": seen.calls,
            "failed": seen.failed,
            "duration_ms": seen.duration.told_ms(),
            "overhead_ms": seen.overhead.told_ms(),
        },
        "stores": _stores(snapshot, services),
        "system": await services.system.figures(),
    }
    return status, content_type, told


def states(config: Config, services: Services) -> States:
    """Return how it stands, for metrics."""
    ledger, shared = services.ledger, services.limiter.shared
    return States(
        served={alias.pattern: _is_served(alias, services) for alias in config.models if alias.targets},
        is_ledger_here=not ledger.is_away if ledger.is_on else None,
        ledger_waiting_rows=ledger.waiting if ledger.is_on else 0,
        is_redis_here=shared.is_here if shared.is_wanted else None,
    )


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _unable(config: Config, services: Services) -> str | None:
    """Return why no call can be served, None where some can."""
    if services.ledger.is_on and services.ledger.waiting >= MAX_WAITING:
        return "the ledger cannot be written, and has no room for more rows"
    served = [alias for alias in config.models if alias.targets]
    if served and not any(_is_served(alias, services) for alias in served):
        return "no model has a target that can be asked now"
    return None


def _is_served(alias: ModelAlias, services: Services) -> bool:
    return any(_may_be_asked(target, services) for target in alias.targets)


def _may_be_asked(target: Target, services: Services) -> bool:
    if services.switches.state(target.provider.name) != "enabled":
        return False
    breaker = services.breakers.find(target)
    return breaker is None or not _is_ejected(breaker, services)


def _is_ejected(breaker: Breaker, services: Services) -> bool:
    """Once its time is over it can be asked again, and only a call can find out: none must be kept away till then."""
    return breaker.state == "open" and services.breakers.now_s() < breaker.until_s


def _provider(provider: Provider, services: Services) -> dict[str, str]:
    if provider.off_reason is not None:
        return {"status": "off", "reason": provider.off_reason}
    state = services.switches.state(provider.name)
    if state != "enabled":
        return {"status": state, "reason": "by an admin"}
    found = _does(provider, services)
    return {"status": "on"} if found is None else {"status": "on", "health": found}


def _does(provider: Provider, services: Services) -> State | None:
    """Return how a provider does, None where no traffic has told."""
    breakers = [breaker for name, breaker in services.breakers.all().items() if name.partition("/")[0] == provider.name]
    ejected = [breaker for breaker in breakers if breaker.state in ("open", "half_open")]
    seen = services.seen.provider(provider.name)
    if ejected:
        return "failing" if len(ejected) == len(breakers) else "degraded"
    if seen is None:
        return None
    if seen.failures_in_a_row >= FAILING:
        return "failing"
    is_returning = any(breaker.state == "returning" for breaker in breakers)
    return "degraded" if is_returning or seen.failures_in_a_row else "ok"


def _able(config: Config, operation: str) -> list[str]:
    return sorted(
        {target.provider.name for alias in config.models if alias.operation == operation for target in alias.targets}
    )


def _statistics(config: Config, services: Services) -> dict[str, int]:
    """Count providers: primary are those that stand first for some model, fallback those that never do."""
    enabled = {
        name
        for name, provider in config.providers.items()
        if provider.off_reason is None and services.switches.state(name) == "enabled"
    }
    first = {alias.targets[0].provider.name for alias in config.models if alias.targets}
    named = {target.provider.name for alias in config.models for target in alias.targets}
    return {
        "total": len(config.providers),
        "enabled": len(enabled),
        "primary": len(enabled & first),
        "fallback": len((enabled & named) - first),
    }


def _stores(snapshot: Snapshot, services: Services) -> Mapping[str, object]:
    ledger, shared = services.ledger, services.limiter.shared
    return {
        "ledger": {
            "status": "off" if not ledger.is_on else "away" if ledger.is_away else "ok",
            "waiting_rows": ledger.waiting if ledger.is_on else 0,
        },
        "redis": {"status": "off" if not shared.is_wanted else "ok" if shared.is_here else "away"},
        "cache": {
            "entries": len(services.cache.memory),
            "bytes": services.cache.memory.size_bytes,
            "max_bytes": services.cache.memory.max_bytes,
        },
    }

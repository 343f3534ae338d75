"""The configuration in force, without what is secret: only what is listed here is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from typing import Any

from gateway import json
from gateway.admin.access import is_visible
from gateway.admin.ask import Answer, Ask
from gateway.config.model import Failover, Issuer, Key, ModelAlias, Route, Telemetry
from gateway.stores.keys.facts import in_utc, scopes_of
from gateway.types import Choice, Concurrency, Limit, Model, Provider, Target, Timeouts

HIDDEN = "(hidden)"  # in the place of a text that may be a secret: any text may come from a variable


async def show_config(ask: Ask) -> Answer:
    config = ask.snapshot.config
    return {
        "generation": ask.snapshot.generation,
        "files": list(config.files),
        "server": asdict(config.server),
        "keys": {
            "anonymous": "until_keys" if config.keys.is_until_keys else config.keys.anonymous,
            "static": [_key(key) for key in config.keys.static if is_visible(ask.client, key.tenant)],
            "jwt": [_issuer(issuer) for issuer in config.keys.issuers],
        },
        "stores": {
            "redis_url": HIDDEN if config.redis_url else None,
            "database_url": HIDDEN if config.database_url else None,
            "cache_max_bytes": config.cache_stores.max_bytes,
            "cache_disk": None if config.cache_stores.disk_folder is None else str(config.cache_stores.disk_folder),
            "cache_is_shared": bool(config.cache_stores.redis_url),
        },
        "providers": {name: _provider(provider) for name, provider in config.providers.items()},
        "models": [_alias(alias) for alias in config.models],
        "voices": {provider: dict(voices) for provider, voices in config.voices.items()},
        "limits": [_limit(limit) for limit in config.limits],
        "webhook": HIDDEN if config.webhook else None,
        "telemetry": _telemetry(config.telemetry),
        "routes": [_route(route) for route in config.routes],
    }


def _telemetry(telemetry: Telemetry) -> Answer:
    traces = telemetry.traces
    return {
        "traces": {
            "endpoint": traces.endpoint or None,
            "headers": dict.fromkeys(traces.headers, HIDDEN),
            "sample": traces.sample,
            "conventions": traces.conventions,
            "forward": traces.forward,
            "service": traces.service,
        },
        "logs": asdict(telemetry.logs),
    }


def _key(key: Key) -> Answer:
    return {
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role,
        "scopes": scopes_of(key.scopes),
        "limits": [_limit(limit) for limit in key.limits],
        "tags": json.loads(key.tags),
        "expires_at": None if key.expires_at is None else in_utc(key.expires_at),
    }


def _issuer(issuer: Issuer) -> Answer:
    return {
        "name": issuer.name,
        "issuer": issuer.url,
        "audience": list(issuer.audience),
        "algorithms": list(issuer.algorithms),
        "jwks_url": issuer.jwks_url or None,
        "leeway_s": issuer.leeway_s,
        "claims": asdict(issuer.claims),
        "roles": dict(issuer.roles),
        "tenant": issuer.tenant or None,
    }


def _provider(provider: Provider) -> Answer:
    return {
        "base_url": provider.base_url,
        "off_reason": provider.off_reason,
        "is_standby": provider.is_standby,
        "credentials": dict.fromkeys(provider.credentials, HIDDEN),
        "headers": dict.fromkeys(provider.headers, HIDDEN),
        "options": _masked(provider.options),
        "timeouts": _timeouts(provider.timeouts),
        "drop": provider.drop,
        "convert": provider.convert,
        "breaker": asdict(provider.breaker),
        "probe": None if provider.probe is None else asdict(provider.probe),
        "concurrency": _concurrency(provider.concurrency),
        "models": {name: _model(model) for name, model in provider.models.items()},
    }


def _model(model: Model) -> Answer:
    return {
        "operation": model.operation,
        "price": None if model.price is None else asdict(model.price),
        "formats": sorted(model.formats),
        "max_output_tokens": model.max_output_tokens,
        "context_tokens": model.context_tokens,
        "breaker": None if model.breaker is None else asdict(model.breaker),
        "concurrency": _concurrency(model.concurrency),
        "options": _masked(model.options),
        "timeouts": None if model.timeouts is None else _timeouts(model.timeouts),
    }


def _concurrency(policy: Concurrency | None) -> Answer | None:
    return None if policy is None else asdict(policy)


def _alias(alias: ModelAlias) -> Answer:
    return {
        "name": alias.pattern,
        "operation": alias.operation,
        "targets": [target.name for target in alias.targets],
        "off": [{"target": target, "reason": reason} for target, reason in alias.off],
        **(_choice(alias.choice, alias.targets) if alias.choice is not None else {"strategy": "priority"}),
    }


def _choice(choice: Choice, targets: Sequence[Target]) -> Answer:
    places = [(target.name, target.place) for target in targets if target.place is not None]
    shadow = choice.shadow
    return {
        "strategy": choice.strategy,
        "places": [
            {"target": name, "weight": place.weight, "group": place.group, "conditional": place.when is not None}
            for name, place in places
        ],
        "session_header": choice.session_header if choice.strategy == "sticky" else None,
        "shadow": None
        if shadow is None
        else {"target": shadow.target.name, "percent": shadow.percent, "in_flight": shadow.in_flight},
    }


def _route(route: Route) -> Answer:
    return {
        "method": route.method,
        "path": route.path,
        "dialect": route.dialect,
        "model": route.model,
        "auth": route.auth,
        "quota": None if route.quota is None else _limit(route.quota),
        "cache": None if route.cache is None else asdict(route.cache),
        "coalesce": route.is_coalesced,
        "failover": _failover(route.failover),
        "timeouts": None if route.timeouts is None else _timeouts(route.timeouts),
        "total_s": route.total_s,
        "middlewares": [
            {"name": link.name, "after": link.after, "options": _masked(link.options)} for link in route.middlewares
        ],
        "log_content": None if route.log_content is None else {"max_chars": route.log_content.max_chars},
        "allow": [f"{allowed.provider}: {allowed.method} {allowed.path}" for allowed in route.allow],
    }


def _failover(failover: Failover) -> Answer:
    fallbacks = {fault: dict(named) for fault, named in failover.fallbacks.items()}
    return asdict(replace(failover, fallbacks={})) | {"fallbacks": fallbacks}


def _timeouts(timeouts: Timeouts) -> Answer:
    """What is not bounded is null."""
    return {name: None if seconds == inf else seconds for name, seconds in asdict(timeouts).items()}


def _limit(limit: Limit) -> Answer:
    return {
        "name": limit.name,
        "per": list(limit.per),
        "only": {name: list(patterns) for name, patterns in limit.only.items()},
        "rates": [{"unit": unit, "rate": str(rate)} for unit, rate in limit.rates],
        "concurrent": limit.concurrent,
        "budgets": [asdict(budget) for budget in limit.budgets],
        "degrade": dict(limit.degrade),
        "alert_percents": list(limit.alert_percents),
        "while_away": limit.while_away,
    }


def _masked(value: Any) -> Any:
    """Return options by their names: what is told of a value is whether it is on, off or not set."""
    if isinstance(value, Mapping):
        return {str(name): _masked(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value if value is None or isinstance(value, bool) else HIDDEN

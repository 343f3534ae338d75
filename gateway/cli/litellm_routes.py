"""The rest of LiteLLM's config.yaml as routes.yaml: models and their fallbacks, limits, keys, cache, endpoints."""

from __future__ import annotations

import re
import secrets as randomness
from typing import Any

from gateway.cli.litellm_models import Deployment, Rows, plain
from gateway.cli.litellm_source import Notes, Secrets, Taker, is_true, number, table
from gateway.config.resolve import WILDCARD

LISTEN = "127.0.0.1:4000"  # LiteLLM's port; on every interface it would be reached by others before anybody looked
MASTER_VARIABLE = "LITELLM_MASTER_KEY"
MIN_KEY_CHARS = 16  # of a declared key
MAX_ATTEMPTS = 20
EVERYTHING = "everything"  # the limit of all calls together
CACHE_TTL_S = 600
_ALIAS_NAME = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:@/+*-]{0,127}")


def routes_of(whole: Taker, rows: Rows, notes: Notes, secrets: Secrets) -> dict[str, Any]:
    """Return routes.yaml as values. Takes everything but `model_list`."""
    router, library, general = (whole.at(key) for key in ("router_settings", "litellm_settings", "general_settings"))
    models = _models(rows)
    own = {name: list(row["targets"]) for name, row in models.items()}
    _fallbacks(models, own, router, library, notes)
    _strategies(models, own, rows, router, notes)
    _aliases(models, router, notes)
    attempts = max([3, *(len(row["targets"]) for row in models.values())])
    routes: dict[str, Any] = {
        "version": 1,
        "server": {"listen": f"${{GATEWAY_LISTEN:-{LISTEN}}}", "log_level": "${LOG_LEVEL:-info}"},
        "stores": _stores(router, library, secrets),
        "keys": _keys(general, notes, secrets),
        "models": models,
        "limits": _limits(rows, library, notes),
        "defaults": {"failover": {"attempts": min(attempts, MAX_ATTEMPTS)}} | _cache(library, notes),
        "routes": _endpoints(rows),
    }
    _library(library, rows)
    for retries in (router, library):
        retries.take("num_retries")  # by attempts at other targets
    for taker in (router, library, general):
        taker.finish()
    for name, value in (whole.take("environment_variables") or {}).items():
        secrets.values.setdefault(str(name), str(value))
    whole.finish()
    return {key: value for key, value in routes.items() if value not in ({}, [])}


# ---------------------------------------------------------------- models


def _models(rows: Rows) -> dict[str, dict[str, Any]]:
    """Return models by name. Where deployments of one name do different work, the first decides."""
    found: dict[str, dict[str, Any]] = {}
    for one in rows.deployments:
        row = found.setdefault(one.model, {"operation": one.operation, "targets": []})
        if row["operation"] != one.operation:
            rows.notes.leave(one.path, f"{one.model} is for {row['operation']}, and {one.target} does {one.operation}")
        elif one.target not in row["targets"]:
            row["targets"].append(one.target)
    return found


def _fallbacks(
    models: dict[str, dict[str, Any]], own: dict[str, list[str]], router: Taker, library: Taker, notes: Notes
) -> None:
    """Put the targets of what a model falls back on behind its own."""
    for taker in (router, library):
        for key in ("fallbacks", "context_window_fallbacks"):
            for group in taker.each(key):
                for name in group.value:
                    others = group.take(name)
                    _fall_back(models, own, str(name), others, group, notes)
        given = taker.take("default_fallbacks")
        for name in models:
            if given:
                _fall_back(models, own, name, given, taker, notes, is_default=True)


def _fall_back(
    models: dict[str, dict[str, Any]],
    own: dict[str, list[str]],
    name: str,
    others: Any,
    group: Taker,
    notes: Notes,
    *,
    is_default: bool = False,
) -> None:
    for other in others if isinstance(others, list) else [others]:
        if not isinstance(other, str) or name not in models or other not in models:
            missing = name if name not in models else other
            notes.leave((*group.path, name) if not is_default else group.path, f"{missing} is no model that is carried")
        elif models[name]["operation"] == models[other]["operation"]:
            models[name]["targets"] += [target for target in own[other] if target not in models[name]["targets"]]
        elif not is_default:
            notes.leave((*group.path, name), f"{other} is for {models[other]['operation']}")


def _strategies(
    models: dict[str, dict[str, Any]], own: dict[str, list[str]], rows: Rows, router: Taker, notes: Notes
) -> None:
    """Spread the calls for a model over its deployments; what it falls back on is a later group, in its order."""
    given = str(router.take("routing_strategy") or "simple-shuffle")
    strategy = table().strategies.get(given)
    if strategy is None:
        why = f"{given}: targets are asked in their order; strategies are in docs/configuration.md"
        notes.leave((*router.path, "routing_strategy"), why)
        return
    if "usage-based" in given:
        notes.leave(
            (*router.path, "routing_strategy"), f"{given} becomes {strategy}: who has fewer calls under way is asked"
        )
    for name, row in models.items():
        if len(own[name]) < 2:
            continue
        weights = _weights([one for one in rows.deployments if one.model == name and one.target in own[name]])
        targets: list[Any] = [
            {"target": one, "weight": weights[one]} if strategy == "weighted" and one in weights else one
            for one in own[name]
        ]
        behind = [one for one in row["targets"] if one not in own[name]]
        row["targets"] = targets + [{"target": one, "group": 2 + place} for place, one in enumerate(behind)]
        row["strategy"] = strategy


def _weights(deployments: list[Deployment]) -> dict[str, int | float]:
    """Return how calls are to be shared, as LiteLLM does: by weight, else by rpm, else by tpm, where all have it."""
    for kind in ("weight", "requests_per_min", "tokens_per_min"):
        given = {one.target: getattr(one, kind) for one in deployments}
        if all(value is not None for value in given.values()):
            most = max(given.values())
            return {target: plain(round(100 * value / most, 3)) for target, value in given.items()} if most else {}
    return {}


def _aliases(models: dict[str, dict[str, Any]], router: Taker, notes: Notes) -> None:
    aliases = router.at("model_group_alias")
    for name in aliases.value:
        given = aliases.take(name)
        model = given.get("model") if isinstance(given, dict) else given
        if model not in models or not _ALIAS_NAME.fullmatch(str(name)):
            notes.leave((*aliases.path, name), f"{model} is no model that is carried")
            continue
        models[str(name)] = {**models[model], "targets": list(models[model]["targets"])}
        if isinstance(given, dict) and is_true(given.get("hidden")):
            models[str(name)]["listed"] = False


# ---------------------------------------------------------------- the rest


def _stores(router: Taker, library: Taker, secrets: Secrets) -> dict[str, str]:
    host, port, password = (router.take(f"redis_{part}") for part in ("host", "port", "password"))
    url = router.take("redis_url")
    stores = {"database_url": "sqlite:data/gateway.db"}
    if url:
        stores["redis_url"] = secrets.reference(url, "REDIS_URL")
    elif host:
        shown = [secrets.reference(part, "", is_secret=False) for part in (host, port or 6379)]
        secret = f":{secrets.reference(password, 'REDIS_PASSWORD')}@" if password else ""
        stores["redis_url"] = f"redis://{secret}{shown[0]}:{shown[1]}/0"
        if ":-}" in stores["redis_url"]:  # variables that are not set make no address: it is given whole, by one
            stores["redis_url"] = "${REDIS_URL:-}"
            secrets.values.setdefault("REDIS_URL", "")
            router.leave("redis_host", "set REDIS_URL in .env: redis://:password@host:6379/0")
    return stores


def _keys(general: Taker, notes: Notes, secrets: Secrets) -> dict[str, Any]:
    master = general.take("master_key")
    if not master:
        return {"anonymous": "until_keys"}
    if not str(master).startswith("os.environ/") and len(str(master)) < MIN_KEY_CHARS:
        master = f"sk-{randomness.token_urlsafe(32)}"
        why = f"is shorter than {MIN_KEY_CHARS} characters; another one stands in .env as {MASTER_VARIABLE}"
        notes.leave((*general.path, "master_key"), why)
    text = secrets.reference(master, MASTER_VARIABLE)
    variable = text.removeprefix("${").removesuffix(":-}")
    # A key that has to be there: without its variable everybody would be let in, or nobody.
    return {
        "static": [
            {"name": "master", "tenant": WILDCARD, "role": "admin", "key": f"${{{variable}:?set the master key}}"}
        ]
    }


def _limits(rows: Rows, library: Taker, notes: Notes) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    by_provider: dict[str, list[Deployment]] = {}
    for one in rows.deployments:
        by_provider.setdefault(one.provider, []).append(one)
    for provider, deployments in by_provider.items():
        for one in deployments:
            limit = _limit(one)
            if limit and len({other.vendor_model for other in deployments}) > 1:
                why = f"limits count a provider as a whole, and {provider} has other models besides"
                notes.leave((*one.path, "litellm_params", "rpm/tpm"), why)
            elif limit:
                limits[f"{provider}-as-a-whole"] = {"per": [], "only": {"provider": [provider]}, **limit}
    most, period = number(library.take("max_budget")), library.take("budget_duration")
    if most is not None:
        ours = table().periods.get(str(period)) if period else "total"
        if ours is None:
            library.leave(
                "budget_duration", f"{period}: periods are {', '.join(sorted(set(table().periods.values())))}"
            )
        else:
            limits[EVERYTHING] = {"per": [], "budget": f"{most:g} USD/{ours}"}
    return limits


def _limit(one: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if one.requests_per_min:
        found["requests"] = f"{one.requests_per_min}/minute"
    if one.tokens_per_min:
        found["tokens"] = f"{one.tokens_per_min}/minute"
    if one.concurrent:
        found["concurrent"] = one.concurrent
    return found


def _cache(library: Taker, notes: Notes) -> dict[str, Any]:
    params = library.at("cache_params")
    ttl_s, kind = number(params.take("ttl")), params.take("type")
    for key in ("host", "port", "password", "namespace", "supported_call_types"):
        params.take(key)
    if not is_true(library.take("cache")):
        return {}
    if kind not in (None, "local", "disk"):
        notes.leave(
            (*params.path, "type"), f"{kind}: answers are kept in each process's memory, none is found by likeness"
        )
    params.finish()
    return {"cache": {"ttl_s": plain(ttl_s) if ttl_s is not None else CACHE_TTL_S}}


def _library(library: Taker, rows: Rows) -> None:
    """What holds for all providers: how long, and what becomes of parameters that a model does not take."""
    timeout_s = number(library.take("request_timeout"))
    drops = library.take("drop_params")
    for name, row in rows.rows.items():
        if timeout_s is not None and name not in rows.timed:
            row["timeouts"] = {**row.get("timeouts", {}), "total_s": plain(timeout_s)}
        if drops is not None and not is_true(drops):
            row["drop"] = "reject"


def _endpoints(rows: Rows) -> list[dict[str, Any]]:
    """Return the endpoints of LiteLLM's clients, each with and without /v1."""
    found: list[dict[str, Any]] = []
    for route in rows.source.routes.value["routes"]:
        if not route["dialect"].startswith(tuple(table().endpoints)) or not route["path"].startswith("/v1/"):
            continue
        kept = {key: value for key, value in route.items() if key in ("path", "dialect", "cache", "inputs")}
        found += [kept, kept | {"path": route["path"].removeprefix("/v1")}]
    return found

"""What only both files together can tell: names, operations, prices under a budget, a gateway calling itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from gateway.config.choices import check_choices
from gateway.config.document import Section
from gateway.config.key_checks import check_budgets, declared_keys, warn_of_scopes
from gateway.config.model import Config, Route
from gateway.config.names import unknown
from gateway.config.pipeline import check_pipeline
from gateway.config.resolve import resolve
from gateway.config.routes import Routes
from gateway.config.semantic import check_semantic
from gateway.config.unpriced import check_budget, warn_of_unpriced
from gateway.config.workers import check_workers
from gateway.types import Limit, Operation, Provider


@dataclass(frozen=True, slots=True)
class Faulty:
    """Names whose rows were refused in part: nothing is concluded from what is left of them."""

    providers: frozenset[str]
    models: frozenset[str]


def validate(
    config: Config, routes: Routes, roots: tuple[Section, Section], dialects: Mapping[str, Operation], faulty: Faulty
) -> None:
    """Report what is wrong across both files; `roots` are routes.yaml and providers.yaml."""
    routes_root, providers_root = roots
    for route, section in routes.rows:
        if route.model not in faulty.models:
            _check_model(route, section, config, routes_root, dialects[route.dialect])
        _check_fallbacks(route, section, config, routes_root, dialects[route.dialect], faulty.models)
        check_pipeline(route, section, config, faulty.models)
        check_semantic(route, section, config, routes_root, faulty.models)
        if route.quota is not None and route.quota.budgets:
            _check_prices(route, section, config, dialects[route.dialect], faulty.providers)
    used = frozenset(name for route, _ in routes.rows for name in _operations(route, dialects[route.dialect]))
    _check_limits(config, routes, routes_root, used, faulty)
    for name, provider in config.providers.items():
        _check_loop(providers_root.at("providers").at(name).at("base_url"), provider, config)
    warn_of_unpriced(config, providers_root.at("providers"), faulty.providers)
    check_budgets(config, routes_root, used, faulty.providers)
    warn_of_scopes(config, routes_root, faulty.providers, faulty.models)
    check_choices(config, routes_root)
    _check_access(config, routes_root)
    check_workers(config, routes_root, providers_root)


def _check_model(route: Route, section: Section, config: Config, root: Section, operation: Operation) -> None:
    if route.model is None:
        return
    place = section.at("model") if "model" in section or route.prompt is None else section.at("prompt")
    if operation in ("models", "voices"):
        place.error(f"a route of dialect '{route.dialect}' lists {operation} and takes no model")
        return
    alias, targets = resolve(config, route.model, operation)
    if alias is not None or targets:
        return
    declared = root.at("models")
    if route.model in declared:
        said = declared.at(route.model).get("operation")
        if said not in (None, operation):
            place.error(f"model '{route.model}' is for {said}, but dialect '{route.dialect}' is for {operation}")
        return
    known = [alias.pattern for alias in config.models if alias.operation == operation]
    place.error(f"model '{route.model}' is not in models{unknown(route.model, known)}")


def _check_fallbacks(
    route: Route, section: Section, config: Config, root: Section, operation: Operation, faulty: frozenset[str]
) -> None:
    """What failover names in place of a model has to be one, of the same operation."""
    place = (section if "failover" in section else root.at("defaults")).at("failover")
    if operation != "chat" and "failover" not in section:
        return  # of the defaults each route takes what is for it
    for fault, named in route.failover.fallbacks.items():
        for model in named.values():
            if model in faulty or any(t.model.operation == operation for t in config.substitutes.get(model, ())):
                continue
            is_off = any(alias.pattern == model and alias.operation == operation for alias in config.models)
            if is_off:
                continue  # none of its targets is on, which is told elsewhere
            known = [alias.pattern for alias in config.models if alias.operation == operation]
            place.at(fault).error(f"model '{model}' is not in models for {operation}{unknown(model, known)}")


# ---------------------------------------------------------------- budgets need prices


def _check_prices(route: Route, section: Section, config: Config, operation: Operation, faulty: frozenset[str]) -> None:
    place = section.at("quota")
    place = place.at("budget") if "budget" in place else section.at("path")
    check_budget(route.name, place, config, _operations(route, operation), faulty)


def _operations(route: Route, operation: Operation) -> tuple[Operation, ...]:
    """Return what a route asks vendors for."""
    return tuple(step.operation for step in route.pipeline.steps) if route.pipeline is not None else (operation,)


def _check_limits(config: Config, routes: Routes, root: Section, used: frozenset[Operation], faulty: Faulty) -> None:
    """Budgets of limits need prices, and what they degrade to has to be a model."""
    for limit in config.limits:
        place = root.at("limits").at(limit.name)
        if limit.budgets:
            wanted = limit.only.get("operation")
            reached = [name for name in sorted(used) if wanted is None or any(fnmatchcase(name, at) for at in wanted)]
            only = limit.only.get("provider")
            check_budget(f"limit '{limit.name}'", place.at("budget"), config, reached, faulty.providers, only)
    for limit, place in _degrading(config, routes, root):
        if not limit.budgets:
            place.error("at_budget has no meaning without a budget")
        for model in set(limit.degrade.values()) - config.substitutes.keys() - faulty.models:
            known = [alias.pattern for alias in config.models]
            place.at("degrade").error(f"model '{model}' is not in models{unknown(model, known)}")


def _degrading(config: Config, routes: Routes, root: Section) -> Iterator[tuple[Limit, Section]]:
    for limit in config.limits:
        if limit.degrade:
            yield limit, root.at("limits").at(limit.name).at("at_budget")
    for route, section in routes.rows:
        if route.quota is not None and route.quota.degrade:
            place = section if "quota" in section else root.at("defaults")
            yield route.quota, place.at("quota").at("at_budget")
    for key, place in declared_keys(config, root):
        for limit in key.limits:
            if limit.degrade:
                yield limit, place.at("limits").at("at_budget")


# ---------------------------------------------------------------- loops and access


def _check_loop(place: Section, provider: Provider, config: Config) -> None:
    if not provider.base_url:
        return
    try:
        url = urlsplit(provider.base_url)
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        place.error(f"base_url is {place.show()}; its port is not a number up to 65535")
        return
    if port == config.server.port and _is_own(url.hostname or "", config.server.host):
        place.error(
            "base_url is the gateway's own address: it would call itself; give the vendor's address or another listen"
        )


def _is_own(host: str, listen: str) -> bool:
    """Return whether `host` reaches a server that listens on `listen`. No name is looked up: that may block."""
    host, listen = host.lower().rstrip("."), listen.lower()
    if host == listen:
        return True
    if listen in ("0.0.0.0", "::"):
        return _is_loopback(host) or host == socket.gethostname().lower()
    return _is_loopback(host) and _is_loopback(listen)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _check_access(config: Config, root: Section) -> None:
    keys, server = config.keys, config.server
    is_open = server.host in ("0.0.0.0", "::") or not _is_loopback(server.host)
    if keys.anonymous == "always" and is_open:
        root.at("keys").at("anonymous").warn(
            f"anybody who reaches {server.host}:{server.port} may spend; take 'never' and give keys"
        )
    if keys.anonymous == "never" and not keys.static and any(route.auth == "required" for route in config.routes):
        root.at("keys").warn("nobody may call: there is no key and keys.anonymous is 'never'")

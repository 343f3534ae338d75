"""What only both files together can tell: names, operations, prices under a budget, a gateway calling itself."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.config.document import Section
from gateway.config.model import Config, Route
from gateway.config.names import unknown
from gateway.config.resolve import WILDCARD, resolve
from gateway.config.routes import Routes
from gateway.types import Model, Operation, Provider


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
        if route.quota is not None and route.quota.budget is not None:
            _check_prices(route, section, config, dialects[route.dialect], faulty.providers)
    for name, provider in config.providers.items():
        _check_loop(providers_root.at("providers").at(name).at("base_url"), provider, config)
    _check_access(config, routes_root)


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


# ---------------------------------------------------------------- budgets need prices


def _check_prices(route: Route, section: Section, config: Config, operation: Operation, faulty: frozenset[str]) -> None:
    """A model that is off today is reachable tomorrow, so credentials do not matter here; `enabled: false` does."""
    if operation in ("models", "voices", "proxy"):
        return
    unpriced = sorted({name for name in _unpriced(config, operation) if name.partition("/")[0] not in faulty})
    if not unpriced:
        return
    names = ", ".join(unpriced[:5]) + (f" and {len(unpriced) - 5} more" if len(unpriced) > 5 else "")
    message = (
        f"{route.name} has a budget but can reach {operation} models without a price: {names}; price them, 0 if free"
    )
    if any(name.endswith(WILDCARD) for name in unpriced):
        message += ", and let no pattern take any model of a provider"
    place = section.at("quota")
    (place.at("budget") if "budget" in place else section.at("path")).error(message)


def _unpriced(config: Config, operation: Operation) -> Iterator[str]:
    for provider in config.providers.values():
        if _is_disabled(provider):
            continue
        for model in provider.models.values():
            if model.operation == operation and not is_priced(model):
                yield f"{provider.name}/{model.name}"
    for alias in config.models:
        if alias.operation == operation and WILDCARD in alias.pattern:
            names = [target.name for target in alias.targets] + [name for name, _ in alias.off]
            yield from (
                name
                for name in names
                if name.endswith(f"/{WILDCARD}") and not _is_disabled(config.providers[name.partition("/")[0]])
            )


def _is_disabled(provider: Provider) -> bool:
    return (provider.off_reason or "").startswith("disabled ")


def is_priced(model: Model) -> bool:
    """Return whether the model's price covers what its operation uses."""
    price = model.price
    if price is None:
        return False
    if price.per_request is not None:
        return True
    has_tokens = price.input_per_mtok is not None and price.output_per_mtok is not None
    return {
        "chat": has_tokens,
        "embeddings": price.input_per_mtok is not None,
        "speech": price.per_mchar is not None or price.per_audio_minute is not None or has_tokens,
        "transcription": price.per_audio_minute is not None or has_tokens,
    }.get(model.operation, True)


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

"""What may pass through to a vendor's own endpoints: an allow-list of methods and paths for each provider.

    allow: {acme: ["GET /files", "GET /files/*"]}

A path is that of the request byte for byte, below the provider's base_url. A literal segment matches itself alone, `*`
one segment of the characters that ids are made of: none that is encoded, and no dots alone, since servers differ in
what they make of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.config.document import Section
from gateway.config.model import Allowed, Config, Route
from gateway.config.names import unknown
from gateway.config.quantities import nano_usd
from gateway.errors import NotFound, PermissionDenied, UpstreamUnavailable
from gateway.types import Model, Price, Target

DIALECT = "proxy"
PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/\{provider\}/\{path\}", re.ASCII)

_ENTRY = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[A-Za-z0-9._~:@+=,$*/-]+)", re.ASCII)
_SEGMENT = re.compile(r"(?!\.+\Z)[A-Za-z0-9._~:@+=,$-]+", re.ASCII)


def compile_passages(route: Route, section: Section) -> Iterator[Route]:
    """Yield the route once for each method of its allow-list; faults are reported at their places."""
    if not PATH.fullmatch(route.path):
        section.at("path").error(
            f"path is {section.at('path').show()}; that of a pass-through ends in /{{provider}}/{{path}}"
        )
        return
    if "method" in section:
        section.at("method").error("a pass-through takes the methods of its 'allow'; leave this out", at_key=True)
    allow = tuple(
        allowed
        for provider, places in section.at("allow").each()
        for _, place in places.each()
        if (allowed := _entry(provider, place)) is not None
    )
    price = _price(section.at("usd_per_request"))
    for method in sorted({allowed.method for allowed in allow}):
        yield replace(
            route, method=method, allow=allow, price=price, cache=None, is_verbatim=False, model=None
        )  # what a vendor keeps changes, and an answer from memory would be of another day


def check_passages(route: Route, section: Section, config: Config, declared: Mapping[str, Any]) -> None:
    """Report what only providers.yaml can tell of an allow-list."""
    for name, _ in section.at("allow").each():
        place = section.at("allow").at(name)
        provider = config.providers.get(name)
        if name not in declared:
            place.error(f"allow names the unknown provider '{name}'{unknown(name, declared)}", at_key=True)
        elif provider is not None and provider.plugin.backend is not None:
            place.error(f"provider '{name}' runs on this machine and has no endpoints to pass through to", at_key=True)
    if route.quota is not None and route.quota.budgets and route.price is None:
        section.at("path").error(f"{route.path} has a budget but no price: give usd_per_request, 0 if free")


def authorise(route: Route, provider: str, method: str, path: str) -> Allowed:
    """Return the entry that lets a request pass; `path` has no leading slash. Raises NotFound or PermissionDenied."""
    providers = {allowed.provider for allowed in route.allow}
    if provider not in providers:
        raise NotFound(f"nothing passes through to provider {provider[:60]!r} here{unknown(provider[:60], providers)}")
    segments = tuple(path.split("/"))
    asked = "GET" if method == "HEAD" else method
    for allowed in route.allow:
        if (allowed.provider, allowed.method) == (provider, asked) and _matches(allowed.segments, segments):
            return allowed
    raise PermissionDenied(
        f"{method} /{path[:200]} of provider '{provider}' is not among what may pass (allow, in routes.yaml)"
    )


def passage_target(config: Config, route: Route, allowed: Allowed) -> Target:
    """Return the target of a request that passes through. Raises UpstreamUnavailable where its provider is off."""
    provider = config.providers[allowed.provider]
    if provider.off_reason is not None:
        raise UpstreamUnavailable(f"provider '{provider.name}' is off: {provider.off_reason}")
    return Target(provider, Model(allowed.path, "proxy", price=route.price))


def _entry(provider: str, place: Section) -> Allowed | None:
    found = _ENTRY.fullmatch(place.value)
    segments = tuple(found[2][1:].split("/")) if found else ()
    if found is None or not all(segment == "*" or _SEGMENT.fullmatch(segment) for segment in segments):
        place.error(f"allow is {place.show()}; write METHOD /path, as 'GET /files/*', where * is one whole segment")
        return None
    return Allowed(provider, found[1], segments)


def _matches(template: tuple[str, ...], segments: tuple[str, ...]) -> bool:
    return len(template) == len(segments) and all(
        wanted == segment or (wanted == "*" and _SEGMENT.fullmatch(segment) is not None)
        for wanted, segment in zip(template, segments, strict=True)
    )


def _price(place: Section) -> Price | None:
    if place.value is None:
        return None
    try:
        return Price(per_request=nano_usd(place.value))
    except ValueError as error:
        place.error(f"usd_per_request is {place.show()}, which {error}")
        return None

"""`routes` of routes.yaml compiled: one `Route` per endpoint, with the policies that `defaults` gives it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from gateway.config.document import Section
from gateway.config.foreign import build_middleware
from gateway.config.model import Budget, Cache, Failover, Quota, Route, UserMiddleware
from gateway.config.names import did_you_mean, unknown
from gateway.config.passage import DIALECT as PASSAGE
from gateway.config.passage import compile_passages
from gateway.config.prompts import DIALECT as PROMPT
from gateway.config.prompts import Prompts
from gateway.config.quantities import budget, rate
from gateway.plugin import Loaded, PluginError, available, load_middleware
from gateway.types import Operation

RESERVED = frozenset({"", "health", "metrics", "docs", "admin"})  # first segments of the gateway's own paths
# The names in gateway.middlewares.ORDER; a test holds the two together. Importing it would bring in the whole server.
LINKS = ("auth", "quota", "cache", "prompt", "failover", "recall", "capability", "convert", "cost")
NONE = "none"  # a route's way to say that a default is not for it

_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]+", re.ASCII)
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes with the sections they came from, and the content of every middleware that they name."""

    rows: tuple[tuple[Route, Section], ...]
    plugin_digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Policies:
    quota: Quota | None = None
    cache: Cache | None = None
    failover: Failover = field(default_factory=Failover)
    total_s: float | None = None


def compile_routes(
    root: Section,
    dialects: Mapping[str, Operation],
    links: Collection[str],
    folders: Sequence[FilePath],
    prompts: Prompts,
) -> Routes:
    """Compile every route; faults are reported at their places, and the routes that have some are left out.

    `dialects` maps each dialect to its operation, `links` are the built-in middlewares that one may stand behind.
    """
    defaults = _policies(root.at("defaults"), _Policies())
    middlewares = _Middlewares(links, folders)
    rows: list[tuple[Route, Section]] = []
    seen: dict[tuple[str, str], Section] = {}
    for _, section in root.at("routes").each():
        dialect = section.get("dialect")
        if dialect not in dialects:
            section.at("dialect").error(
                f"the dialect {section.at('dialect').show()} is not known{unknown(dialect, dialects)}"
            )
            continue
        plain = _route(section, dialects[dialect], defaults, middlewares)
        for route in _of_its_kind(plain, section, prompts):
            key = (route.method, _PLACEHOLDER.sub("{}", route.path))
            if key in seen:
                place = seen[key].at("path").place()
                section.at("path").error(f"{route.name} is a route already, at {place}; keep one")
                continue
            seen[key] = section
            if fault := path_fault(route.path):
                section.at("path").error(f"path is {section.at('path').show()}, {fault}")
                continue
            rows.append((route, section))
    return Routes(tuple(rows), middlewares.digests())


def _of_its_kind(route: Route, section: Section, prompts: Prompts) -> Iterator[Route]:
    """Yield the routes that a row makes: a pass-through one for each method, a prompt its own, any other itself."""
    for key, dialect in (("prompt", PROMPT), ("allow", PASSAGE), ("usd_per_request", PASSAGE)):
        if key in section and route.dialect != dialect:
            section.at(key).error(f"'{key}' goes with dialect '{dialect}' only", at_key=True)
    needed = {PROMPT: "prompt", PASSAGE: "allow"}.get(route.dialect)
    if needed is not None and needed not in section:
        section.at("dialect").error(f"a route of dialect '{route.dialect}' needs '{needed}'")
    elif route.dialect == PASSAGE:
        yield from compile_passages(route, section)
    elif route.dialect == PROMPT:
        compiled = prompts.compile(section.at("prompt"))
        if compiled is not None:
            yield replace(route, prompt=compiled[0], model=route.model or compiled[0].model)
    else:
        yield route


def path_fault(path: str) -> str | None:
    """Return what is wrong with a route's path, or None."""
    if not path.startswith("/"):
        return "it has to begin with '/'"
    segments = path[1:].split("/")
    if segments[0] in RESERVED:
        return "which is the gateway's own; it keeps /, /health, /metrics, /docs and /admin"
    names = _PLACEHOLDER.findall(path)
    if len(names) != len(set(names)):
        return "in which a {name} stands twice"
    for segment in segments:
        if segment in (".", "..") or segment == "":
            return "in which a segment is empty, '.' or '..'"
        literal = _PLACEHOLDER.sub("", segment, count=1) if segment.startswith("{") else segment
        if _PLACEHOLDER.fullmatch(segment) or (literal[:1] in (segment[:1], ":") and _SEGMENT.fullmatch(literal)):
            continue
        if "{" in segment or "}" in segment:
            return "where {name} has to be a whole segment, or one up to a colon: /models/{id}, /models/{id}:embed"
        return f"in which {segment!r} holds a character that a path does not carry as it stands"
    return None


class _Middlewares:
    """Loads each middleware that routes name once, and makes one of it for each place where a route has it."""

    def __init__(self, links: Collection[str], folders: Sequence[FilePath]) -> None:
        self._links = links
        self._folders = folders
        self._loaded: dict[str, Loaded] = {}

    def digests(self) -> tuple[str, ...]:
        return tuple(sorted({loaded.digest for loaded in self._loaded.values()}))

    def compile(self, section: Section) -> UserMiddleware | None:
        """Return the middleware of one entry; None where it has faults, which are reported."""
        name, after = section.get("name"), section.get("after")
        options = MappingProxyType(section.get("options") or {})
        if after not in self._links:
            section.at("after").error(
                f"after is {section.at('after').show()}, which is no built-in link{unknown(after, self._links)}"
            )
        loaded = self._load(name, section.at("name"))
        if loaded is None:
            return None
        try:
            return UserMiddleware(name, after, build_middleware(loaded, options), options)
        except PluginError as error:
            place = section.at("options") if options else section.at("name")
            place.error(f"middleware {section.at('name').show()} cannot be made: {error.message}")
            return None

    def _load(self, name: str, place: Section) -> Loaded | None:
        if name not in self._loaded:
            try:
                self._loaded[name] = load_middleware(name, self._folders)
            except PluginError as error:
                names = available(self._folders)
                guess = "" if name in names else did_you_mean(name, names)
                place.error(f"middleware {place.show()} does not load: {error.message}{guess}")
        return self._loaded.get(name)


def _route(section: Section, operation: Operation, defaults: _Policies, middlewares: _Middlewares) -> Route:
    policies = _policies(section, defaults)
    return Route(
        method=section.get("method", "GET" if operation in ("models", "voices") else "POST"),
        path=section.get("path"),
        dialect=section.get("dialect"),
        model=section.get("model"),
        auth=section.get("auth", "required"),
        quota=policies.quota,
        cache=policies.cache,
        failover=policies.failover,
        total_s=policies.total_s,
        middlewares=tuple(
            made for _, place in section.at("middlewares").each() if (made := middlewares.compile(place)) is not None
        ),
        is_verbatim=section.get("verbatim", True),
        inputs=frozenset(section.get("inputs", ("file",))),
    )


def _policies(section: Section, inherited: _Policies) -> _Policies:
    """Return what the section says about each policy, else what is inherited. A policy is given as a whole."""
    found = inherited
    if "quota" in section:
        found = replace(found, quota=None if section.get("quota") == NONE else _quota(section.at("quota")))
    if "cache" in section:
        found = replace(found, cache=None if section.get("cache") == NONE else _cache(section.get("cache")))
    if "failover" in section:
        failover = section.get("failover")
        found = replace(found, failover=Failover(attempts=1) if failover == NONE else _failover(failover))
    if "total_s" in section:
        total_s = section.get("total_s")
        found = replace(found, total_s=None if total_s == NONE else float(total_s))
    return found


def _quota(section: Section) -> Quota | None:
    rates: list[str] = []
    for _, place in section.at("requests").each():
        try:
            rates.append(rate(place.value))
        except ValueError as error:
            place.error(f"requests is {place.show()}, which {error}")
    limit: Budget | None = None
    if "budget" in section:
        try:
            limit = budget(section.get("budget"))
        except ValueError as error:
            section.at("budget").error(f"budget is {section.at('budget').show()}, which {error}")
    return Quota(tuple(rates), limit) if rates or limit else None


def _cache(given: dict[str, Any]) -> Cache | None:
    if not given["ttl_s"]:
        return None
    return Cache(float(given["ttl_s"]), int(given.get("max_entry_bytes", Cache(0).max_entry_bytes)))


def _failover(given: dict[str, Any]) -> Failover:
    default = Failover()
    return Failover(
        int(given.get("attempts", default.attempts)), float(given.get("first_content_s", default.first_content_s))
    )

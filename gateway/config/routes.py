"""`routes` of routes.yaml compiled: one `Route` per endpoint, with the policies that `defaults` gives it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any

from gateway.config.document import Section
from gateway.config.failover import compile_failover, compile_timeouts
from gateway.config.foreign import build_middleware
from gateway.config.limits import compile_limit
from gateway.config.live import compile_live, is_live
from gateway.config.model import Cache, Failover, LongRecordings, LongText, Route, UserMiddleware
from gateway.config.names import did_you_mean, unknown
from gateway.config.passage import DIALECT as PASSAGE
from gateway.config.passage import compile_passages
from gateway.config.pipeline import DIALECT as PIPELINE
from gateway.config.pipeline import compile_pipeline
from gateway.config.prompts import DIALECT as PROMPT
from gateway.config.prompts import Prompts
from gateway.config.semantic import compile_semantic
from gateway.config.telemetry import compile_log_content
from gateway.plugin import Loaded, PluginError, available, load_middleware
from gateway.types import Limit, Operation, Timeouts

RESERVED = frozenset(
    {"", "health", "metrics", "docs", "openapi.json", "admin"}
)  # first segments of the gateway's own paths
# The names in gateway.middlewares.ORDER; a test holds the two together. Importing it would bring in the whole server.
LINKS = (
    "auth", "quota", "cache", "coalesce", "keep", "ledger", "similar", "prompt", "pipeline", "split", "cut", "failover",
    "turn", "allotment", "recall", "capability", "convert", "cost",
)  # fmt: skip
COALESCED = frozenset[Operation]({"chat", "embeddings", "speech", "transcription"})
UNLIMITED = Timeouts(*[float("inf")] * 5)  # what a route does not say is its targets' to say
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
    quota: Limit | None = None
    cache: Cache | None = None
    coalesce: bool | None = None  # None: where there is a cache
    failover: Failover = field(default_factory=Failover)
    total_s: float | None = None
    timeouts: Timeouts | None = None
    long_text: LongText | None = field(default_factory=LongText)
    long_recordings: LongRecordings | None = field(default_factory=LongRecordings)
    live: Mapping[str, Any] = field(default_factory=dict)  # limits of sessions, as given


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
    defaults = _policies(root.at("defaults"), _Policies(), "quota")
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
    if "live" in section and route.live is None:
        section.at("live").error(f"'live' goes with dialects of live audio, and '{route.dialect}' is none", at_key=True)
    only = (("prompt", PROMPT), ("allow", PASSAGE), ("usd_per_request", PASSAGE), ("pipeline", PIPELINE))
    for key, dialect in only:
        if key in section and route.dialect != dialect:
            section.at(key).error(f"'{key}' goes with dialect '{dialect}' only", at_key=True)
    needed = {PROMPT: "prompt", PASSAGE: "allow", PIPELINE: "pipeline"}.get(route.dialect)
    if needed is not None and needed not in section:
        section.at("dialect").error(f"a route of dialect '{route.dialect}' needs '{needed}'")
    elif route.dialect == PASSAGE:
        yield from compile_passages(route, section)
    elif route.dialect == PROMPT:
        compiled = prompts.compile(section.at("prompt"))
        if compiled is not None:
            yield replace(route, prompt=compiled[0], model=route.model or compiled[0].model)
    elif route.dialect == PIPELINE:
        if "model" in section:
            section.at("model").error("a pipeline takes no model: each of its steps has one", at_key=True)
        pipeline = compile_pipeline(section.at("pipeline"), prompts.sources)
        if pipeline is not None:
            yield replace(route, pipeline=pipeline, model=None)
    else:
        yield route


def path_fault(path: str) -> str | None:
    """Return what is wrong with a route's path, or None."""
    if not path.startswith("/"):
        return "it has to begin with '/'"
    segments = path[1:].split("/")
    if segments[0] in RESERVED:
        return "which is the gateway's own; it keeps /, /health, /metrics, /docs, /openapi.json and /admin"
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
    dialect = section.get("dialect")
    is_get = operation in ("models", "voices") or is_live(dialect)
    method = section.get("method", "GET" if is_get else "POST")
    log_content = compile_log_content(section.at("log_content"))
    policies = _policies(section, defaults, f"quota of {method} {section.get('path')}")
    if operation == "speech" and policies.cache is None and policies.long_text and policies.long_text.caches_sentences:
        section.error("long_text.cache keeps sentences in the route's cache, which is not there; set 'cache'")
    route = Route(
        method=method,
        path=section.get("path"),
        dialect=dialect,
        model=section.get("model"),
        auth=section.get("auth", "required"),
        quota=policies.quota,
        cache=policies.cache,
        is_coalesced=(policies.cache is not None if policies.coalesce is None else policies.coalesce)
        and operation in COALESCED,
        failover=policies.failover,
        total_s=policies.total_s,
        timeouts=policies.timeouts,
        long_text=policies.long_text,
        long_recordings=policies.long_recordings,
        middlewares=tuple(
            made for _, place in section.at("middlewares").each() if (made := middlewares.compile(place)) is not None
        ),
        is_verbatim=section.get("verbatim", True) and log_content is None,  # what is passed on as bytes is not read
        log_content=log_content,
        inputs=frozenset(section.get("inputs", ("file",))),
    )
    return compile_live(route, section, policies.live) if is_live(dialect) else route


def _policies(section: Section, inherited: _Policies, quota: str) -> _Policies:
    """Return what the section says about each policy, else what is inherited. A policy is given as a whole.

    `quota` names the counters: those of the defaults are shared by all routes that do not have their own.
    """
    found = inherited
    if "quota" in section:
        own = None if section.get("quota") == NONE else compile_limit(quota, section.at("quota"))
        found = replace(found, quota=own)
    if "cache" in section:
        found = replace(found, cache=None if section.get("cache") == NONE else _cache(section.get("cache")))
    if "coalesce" in section:
        found = replace(found, coalesce=section.get("coalesce"))
    if "failover" in section:
        failover = section.get("failover")
        found = replace(found, failover=Failover(attempts=1) if failover == NONE else compile_failover(failover))
    if "total_s" in section:
        total_s = section.get("total_s")
        found = replace(found, total_s=None if total_s == NONE else float(total_s))
    if "live" in section:
        found = replace(found, live=section.get("live"))
    if "timeouts" in section:
        given = section.get("timeouts")
        found = replace(found, timeouts=None if given == NONE else compile_timeouts(given, UNLIMITED))
    if "long_text" in section:
        given = section.get("long_text")
        found = replace(found, long_text=None if given == NONE else _long_text(given))
    if "long_recordings" in section:
        given = section.get("long_recordings")
        found = replace(found, long_recordings=None if given == NONE else LongRecordings(**given))
    return found


def _long_text(given: dict[str, Any]) -> LongText:
    return LongText(ahead=given.get("ahead", LongText().ahead), caches_sentences=given.get("cache") == "sentences")


def _cache(given: dict[str, Any]) -> Cache | None:
    if not given["ttl_s"]:
        return None
    default = Cache(0)
    ttl_s = float(given["ttl_s"])
    return Cache(
        ttl_s=ttl_s,
        max_entry_bytes=int(given.get("max_entry_bytes", default.max_entry_bytes)),
        max_ttl_s=float(given.get("max_ttl_s", max(ttl_s, default.max_ttl_s))),
        stale_while_revalidate_s=float(given.get("stale_while_revalidate_s", 0)),
        stale_if_error_s=float(given.get("stale_if_error_s", 0)),
        has_original_pace=given.get("pace") == "original",
        semantic=compile_semantic(given),
    )

"""A configuration made ready to serve: every route's chain built once. Immutable; a reload makes another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from gateway.chain import compose
from gateway.config.catalog import is_for, listed_models
from gateway.config.model import Config, ModelAlias, Pipeline, Route
from gateway.config.names import nearest_names
from gateway.config.passage import authorise, passage_target
from gateway.config.pin import pinned, pinned_targets, with_own_voice
from gateway.config.resolve import nearest, resolve
from gateway.config.voices import list_voices, speakers
from gateway.dialects import DIALECTS, Dialect
from gateway.errors import InvalidRequest, UnknownModel
from gateway.middlewares import links_for
from gateway.middlewares.pipeline import sized
from gateway.routes import RouteTable
from gateway.services import Services
from gateway.types import (
    Call,
    Catalog,
    Event,
    Handler,
    Head,
    Listing,
    Live,
    Middleware,
    Operation,
    Passage,
    Reply,
    Scopes,
    Target,
    VoiceCatalog,
    VoiceListing,
    replace,
)
from gateway.upstream.attempt import attempt_with
from gateway.upstream.forward import forward_with
from gateway.upstream.live import live_with

Admit = Callable[[Head], Head]
Resolved = tuple[ModelAlias | None, tuple[Target, ...]]

MAX_KNOWN = 1_000  # names of models of which the targets are kept; a pattern lets clients make up names


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route, ready: `admits` look at the head before the body is read, `handler` is its chain."""

    route: Route
    dialect: Dialect
    links: tuple[tuple[str, Middleware], ...]  # by their names, as they stand in the chain
    admits: tuple[Admit, ...]
    handler: Handler
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    config: Config
    generation: str  # "<number>-<digest>": the number counts this process's reloads, the digest is the files'
    endpoints: RouteTable[Endpoint]
    targets: frozenset[str]  # names of all configured targets, for what must stay bounded
    _known: dict[tuple[str, Operation], Resolved] = field(default_factory=dict, compare=False, repr=False)

    def resolve(self, call: Call, route: Route) -> Call:
        """Return the call with its targets. Raises UnknownModel with the nearest names, or InvalidRequest."""
        if isinstance(call.body, Catalog):
            return call
        if isinstance(call.body, Passage):
            allowed = authorise(route, call.body.provider, call.body.method, call.body.path)
            call.receipt.model = allowed.path
            return replace(call, model=allowed.path, targets=(passage_target(self.config, route, allowed),))
        if route.pipeline is not None:
            return self._in_steps(call, route.pipeline)
        if call.provider:
            return self._pinned(call, route)
        if isinstance(call.body, VoiceCatalog):
            return call
        model, wish = call.model or route.model, None
        if not model:
            raise InvalidRequest("'model' is required; GET /v1/models lists what there is", param="model")
        alias, targets = self._resolved(model, call.operation)
        if call.wish is not None and call.model and route.model and not _is_granted(model, alias, targets):
            model, wish = route.model, call.wish
            alias, targets = self._resolved(model, call.operation)
        if alias is None and not targets:
            near = nearest(self.config, model, call.operation)
            hint = f"did you mean {', '.join(near)}?" if near else "GET /v1/models lists what there is"
            raise UnknownModel(f"model {model[:100]!r} is not served for {call.operation}; {hint}", param="model")
        call.receipt.model = model
        return replace(call, model=model, targets=_priced(call, targets), wish=wish)

    def _resolved(self, model: str, operation: Operation) -> Resolved:
        """As `resolve`, which walks over all aliases: that is done once for a name."""
        known = self._known.get((model, operation))
        if known is None:
            known = resolve(self.config, model, operation)
            if known[1] and len(self._known) < MAX_KNOWN:
                self._known[model, operation] = known
        return known

    def _in_steps(self, call: Call, pipeline: Pipeline) -> Call:
        if call.provider:
            raise InvalidRequest("a pipeline has no one provider; leave out 'provider'", param="provider")
        steps = [
            replace(step, targets=resolve(self.config, step.model, step.operation)[1]) for step in sized(pipeline, call)
        ]
        return replace(call, steps=tuple(steps))

    def hint(self, call: Call) -> str:
        """Return what to ask for in place of a name that a pattern let pass and no vendor knows, "" for a known one."""
        near = nearest(self.config, call.model, call.operation)
        is_known = any(call.model == name or call.model.endswith(f"/{name}") for name in near)
        return "" if is_known or not near else f" (did you mean {', '.join(near)}?)"

    def _pinned(self, call: Call, route: Route) -> Call:
        provider = pinned(self.config, call.provider)
        if isinstance(call.body, VoiceCatalog):
            return call
        wish = None
        try:
            model, targets = pinned_targets(self.config, provider, call.operation, call.model, route.model)
        except UnknownModel:
            if call.wish is None:
                raise
            wish = call.wish
            model, targets = pinned_targets(self.config, provider, call.operation, "", route.model)
        call.receipt.model = model
        targets = tuple(with_own_voice(target, call.body) for target in targets)
        return replace(call, model=model, targets=_priced(call, targets), wish=wish)


def _is_granted(wish: str, alias: ModelAlias | None, targets: tuple[Target, ...]) -> bool:
    """Whether a model is served that a client cannot but name: routes.yaml has to name it, or the client a provider."""
    return bool(targets) and (alias is not None or "/" in wish)


def build_snapshot(config: Config, services: Services, number: int) -> Snapshot:
    """Return the snapshot for a configuration; changes nothing in `services`."""
    attempt = attempt_with(services.upstream)
    handlers: dict[str, Handler] = {
        "models": _lister(config),
        "voices": _voice_lister(config),
        "proxy": forward_with(services.upstream),
    }
    endpoints = RouteTable[Endpoint]()
    for route in config.routes:
        dialect = _bound(DIALECTS[route.dialect], route)
        links = _links(route, dialect, config, services)
        admits = tuple(link.admit for _, link in links if hasattr(link, "admit"))
        if route.allow:
            admits = (*admits, _gate(route))
        is_upload = dialect.takes_form or getattr(dialect, "takes_upload", False)
        limit = config.server.max_upload_bytes if is_upload else config.server.max_body_bytes
        innermost = handlers.get(dialect.operation, attempt)
        if route.live is not None:
            innermost = live_with(services.upstream, route.live, attempt)
        handler = compose([link for _, link in links], innermost)
        endpoints.add(route.method, route.path, Endpoint(route, dialect, links, admits, handler, limit))
    targets = frozenset(target.name for alias in config.models for target in alias.targets)
    targets |= {f"{allowed.provider}/{allowed.path}" for route in config.routes for allowed in route.allow}
    return Snapshot(config, f"{number}-{config.digest}", endpoints, targets)


def _priced(call: Call, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Return the targets with what a session costs at them, where that is another price."""
    if not isinstance(call.body, Live):
        return targets
    return tuple(
        target
        if target.model.live_price is None
        else replace(target, model=replace(target.model, price=target.model.live_price))
        for target in targets
    )


def _bound(dialect: Dialect, route: Route) -> Dialect:
    """Return the dialect as the route has it: one that differs from route to route says so by `bind`."""
    bind: Callable[[Route], Dialect] | None = getattr(dialect, "bind", None)
    return bind(route) if bind is not None else dialect


def _gate(route: Route) -> Admit:
    """Return the check of a pass-through, which wants nothing but the head: no body is read that may not pass."""

    def admit(head: Head) -> Head:
        authorise(route, head.params["provider"], head.method, head.params["path"])
        return head

    return admit


def _links(route: Route, dialect: Dialect, config: Config, services: Services) -> tuple[tuple[str, Middleware], ...]:
    """The route's middlewares in ORDER with their names, each followed by the operator's own that come `after` it."""
    own: dict[str, list[tuple[str, Middleware]]] = {}
    for user in route.middlewares:
        own.setdefault(user.after, []).append((user.name, user.link))
    links: list[tuple[str, Middleware]] = []
    for name, built in links_for(dialect.operation, route, config, services):
        links.extend([(name, built)] if built is not None else [])
        links.extend(own.get(name, []))
    return tuple(links)


def _lister(config: Config) -> Handler:
    """Return the handler that answers which models there are for who asks."""
    models = listed_models(config)
    everything = {name: listed.card for name, listed in models.items()}

    async def listing(call: Call) -> Reply:
        assert isinstance(call.body, Catalog)
        wanted, scopes = call.body.id, call.client.scopes
        by_id = everything
        if scopes != Scopes():
            by_id = {name: listed.card for name, listed in models.items() if is_for(scopes, listed)}
        if wanted is not None and wanted not in by_id:
            near = nearest_names(wanted, by_id, 3)
            hint = f"did you mean {', '.join(near)}?" if near else "the list of models has what there is"
            raise UnknownModel(f"model {wanted[:100]!r} is not known; {hint}", param="model")
        return Reply(_once(Listing((by_id[wanted],) if wanted is not None else tuple(by_id.values()))))

    return listing


def _voice_lister(config: Config) -> Handler:
    """Return the handler that answers which voices there are."""

    async def listing(call: Call) -> Reply:
        assert isinstance(call.body, VoiceCatalog)
        wanted = call.body.model
        providers = speakers(config, wanted)
        if wanted and resolve(config, wanted, "speech") == (None, ()):
            near = nearest(config, wanted, "speech")
            hint = f"did you mean {', '.join(near)}?" if near else "GET /v1/models lists what there is"
            raise UnknownModel(f"model {wanted[:100]!r} is not served for speech; {hint}", param="model")
        allowed = call.client.scopes.providers
        if allowed:
            providers = tuple(provider for provider in providers if provider.name in allowed)
        if call.provider:
            providers = tuple(provider for provider in providers if provider.name == call.provider)
        return Reply(_once(VoiceListing(list_voices(config, providers, call.body.language))))

    return listing


async def _once(event: Event) -> AsyncIterator[Event]:
    yield event

"""A configuration made ready to serve: every route's chain built once. Immutable; a reload makes another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from gateway.chain import compose
from gateway.config.model import Config, Route
from gateway.config.resolve import nearest, resolve
from gateway.dialects import DIALECTS, Dialect
from gateway.errors import InvalidRequest, UnknownModel
from gateway.middlewares import ORDER
from gateway.routes import RouteTable
from gateway.services import Services
from gateway.types import Call, Catalog, Event, Handler, Head, Listing, Middleware, ModelCard, Reply
from gateway.upstream.attempt import attempt_with

Admit = Callable[[Head], Head]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route, ready: `admits` look at the head before the body is read, `handler` is its chain."""

    route: Route
    dialect: Dialect
    admits: tuple[Admit, ...]
    handler: Handler
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    config: Config
    generation: str  # "<number>-<digest>": the number counts this process's reloads, the digest is the files'
    endpoints: RouteTable[Endpoint]
    targets: frozenset[str]  # names of all configured targets, for what must stay bounded

    def resolve(self, call: Call, route: Route) -> Call:
        """Return the call with its targets. Raises UnknownModel with the nearest names, or InvalidRequest."""
        if isinstance(call.body, Catalog):
            return call
        model = call.model or route.model
        if not model:
            raise InvalidRequest("'model' is required; GET /v1/models lists what there is", param="model")
        alias, targets = resolve(self.config, model, call.operation)
        if alias is None and not targets:
            near = nearest(self.config, model, call.operation)
            hint = f"did you mean {', '.join(near)}?" if near else "GET /v1/models lists what there is"
            raise UnknownModel(f"model {model[:100]!r} is not served for {call.operation}; {hint}", param="model")
        call.receipt.model = model
        return replace(call, model=model, targets=targets)


def build_snapshot(config: Config, services: Services, number: int) -> Snapshot:
    """Return the snapshot for a configuration; changes nothing in `services`."""
    attempt = attempt_with(services.upstream)
    listing = _lister(config)
    endpoints = RouteTable[Endpoint]()
    for route in config.routes:
        dialect = DIALECTS[route.dialect]
        links = _links(route, dialect, config, services)
        admits = tuple(link.admit for link in links if hasattr(link, "admit"))
        limit = config.server.max_upload_bytes if dialect.takes_form else config.server.max_body_bytes
        handler = compose(links, listing if dialect.operation == "models" else attempt)
        endpoints.add(route.method, route.path, Endpoint(route, dialect, admits, handler, limit))
    targets = frozenset(target.name for alias in config.models for target in alias.targets)
    return Snapshot(config, f"{number}-{config.digest}", endpoints, targets)


def _links(route: Route, dialect: Dialect, config: Config, services: Services) -> list[Middleware]:
    """The route's middlewares in ORDER, each followed by the operator's own that come `after` it."""
    own: dict[str, list[Middleware]] = {}
    for user in route.middlewares:
        own.setdefault(user.after, []).append(config.middlewares[user.name](user.options))
    links: list[Middleware] = []
    for link in ORDER:
        built = link.build(route, config, services) if dialect.operation in link.is_for else None
        links.extend([built] if built is not None else [])
        links.extend(own.get(link.name, []))
    return links


def _lister(config: Config) -> Handler:
    """Return the handler that answers which models there are."""
    cards = [
        ModelCard(
            alias.pattern,
            alias.operation,
            alias.targets[0].provider.name,
            alias.description or alias.targets[0].model.description,
        )
        for alias in config.models
        if alias.is_listed and alias.targets and "*" not in alias.pattern
    ]
    cards += [
        ModelCard(f"{provider.name}/{model.name}", model.operation, provider.name, model.description)
        for provider in config.providers.values()
        if provider.off_reason is None
        for model in provider.models.values()
    ]
    by_id = {card.id: card for card in cards}

    async def listing(call: Call) -> Reply:
        assert isinstance(call.body, Catalog)
        wanted = call.body.id
        if wanted is not None and wanted not in by_id:
            raise UnknownModel(f"model {wanted[:100]!r} is not known; GET /v1/models lists them", param="model")
        return Reply(_once(Listing((by_id[wanted],) if wanted is not None else tuple(by_id.values()))))

    return listing


async def _once(event: Event) -> AsyncIterator[Event]:
    yield event

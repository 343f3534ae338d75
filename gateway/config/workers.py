"""What several processes on one address must not count each for itself."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.document import Section
from gateway.config.model import Config
from gateway.types import Concurrency


def check_workers(config: Config, routes_root: Section, providers_root: Section) -> None:
    """Refuse more than one worker where a limit would hold for each of them, instead of for all together."""
    count = config.server.workers
    if count == 1:
        return
    place = routes_root.at("server").at("workers")
    if not config.redis_url and (limited := next(_limited(config), None)) is not None:
        place.error(
            f"workers is {count}, and each would count {limited} for itself; "
            "count in Redis (stores.redis_url, REDIS_URL), or take 1"
        )
    for policy, where in _concurrency(config, routes_root, providers_root):
        if policy.max < count:
            where.error(f"concurrent is {policy.max}, fewer than the {count} workers (server.workers) that share it")


def _limited(config: Config) -> Iterator[str]:
    """Yield what is counted, as it is called in the files."""
    yield from (f"limit '{limit.name}'" for limit in config.limits)
    yield from (f"the quota of {route.name}" for route in config.routes if route.quota is not None)
    yield from (f"the limits of key '{key.name}'" for key in config.keys.static if key.limits)
    if config.database_url:
        yield "the limits that keys in stores.database_url may have"


def _concurrency(
    config: Config, routes_root: Section, providers_root: Section
) -> Iterator[tuple[Concurrency, Section]]:
    if config.server.concurrency is not None:
        yield config.server.concurrency, routes_root.at("server").at("concurrent")
    for name, provider in config.providers.items():
        row = providers_root.at("providers").at(name)
        if provider.concurrency is not None:
            yield provider.concurrency, row.at("limits").at("concurrent")
        for model in provider.models.values():
            if model.concurrency is not None:
                yield model.concurrency, row.at("models").at(model.name).at("limits").at("concurrent")

"""What only the whole configuration can tell of a declared key: that it is for what is there, and its budget holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from gateway.config.document import Section
from gateway.config.limits import PAID
from gateway.config.model import Config, Key
from gateway.config.names import unknown
from gateway.config.resolve import WILDCARD, resolve
from gateway.config.unpriced import check_budget
from gateway.types import Operation

_PATTERN = frozenset("*?[")  # what makes a model of a scope more than a name


def declared_keys(config: Config, root: Section) -> Iterator[tuple[Key, Section]]:
    """Yield the keys that are declared as mappings, each with its place."""
    by_name = {key.name: key for key in config.keys.static}
    for _, place in root.at("keys").at("static").each():
        key = by_name.get(place.get("name", ""))
        if key is not None:
            yield key, place


def check_budgets(config: Config, root: Section, used: Collection[Operation], faulty: frozenset[str]) -> None:
    """A key's budget needs prices of all that the key can reach; `faulty` are providers."""
    for key, place in declared_keys(config, root):
        if not any(limit.budgets for limit in key.limits):
            continue
        reached = [name for name in sorted(used) if not key.scopes.operations or name in key.scopes.operations]
        only = key.scopes.providers or None
        check_budget(f"the key '{key.name}'", place.at("limits").at("budget"), config, reached, faulty, only)


def warn_of_scopes(
    config: Config, root: Section, faulty_providers: frozenset[str], faulty_models: frozenset[str]
) -> None:
    """Tell of providers and models that a key is for and nobody knows: it waits for them, or they are mistyped."""
    providers = config.providers.keys() | faulty_providers
    for key, place in declared_keys(config, root):
        for index, name in enumerate(key.scopes.providers):
            if name not in providers:
                place.at("providers").at(index).warn(
                    f"the key '{key.name}' is for the provider '{name}', which is not in providers.yaml"
                    f"{unknown(name, providers)}"
                )
        for index, name in enumerate(key.scopes.models):
            is_name = not _PATTERN.intersection(name)
            if is_name and name not in faulty_models and name.partition("/")[0] not in faulty_providers:
                _warn_of_model(name, key, place.at("models").at(index), config)


def _warn_of_model(name: str, key: Key, place: Section, config: Config) -> None:
    if any(resolve(config, name, operation) != (None, ()) for operation in PAID):
        return
    if any(fnmatchcase(name, allowed.path) for route in config.routes for allowed in route.allow):
        return
    known = {alias.pattern for alias in config.models if WILDCARD not in alias.pattern}
    for provider in config.providers.values():
        known |= {model for row in provider.models.values() for model in (row.name, f"{provider.name}/{row.name}")}
    place.warn(f"the key '{key.name}' is for the model '{name}', which nothing serves{unknown(name, known)}")

"""Which models there are to be listed, and which of them a key may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config.model import Config
from gateway.middlewares.auth import matches
from gateway.types import ModelCard, Scopes


@dataclass(frozen=True, slots=True)
class Listed:
    card: ModelCard
    providers: frozenset[str]  # who may serve it


def listed_models(config: Config) -> Mapping[str, Listed]:
    """Return what is listed, by the name that clients ask for."""
    found = [
        Listed(
            ModelCard(
                alias.pattern,
                alias.operation,
                alias.targets[0].provider.name,
                alias.description or alias.targets[0].model.description,
            ),
            frozenset(target.provider.name for target in alias.targets),
        )
        for alias in config.models
        if alias.is_listed and alias.targets and "*" not in alias.pattern
    ]
    found += [
        Listed(
            ModelCard(f"{provider.name}/{model.name}", model.operation, provider.name, model.description),
            frozenset((provider.name,)),
        )
        for provider in config.providers.values()
        if provider.off_reason is None
        for model in provider.models.values()
    ]
    return {listed.card.id: listed for listed in found}


def is_for(scopes: Scopes, listed: Listed) -> bool:
    """Return whether a key of these scopes may call a model."""
    return (
        (not scopes.operations or listed.card.operation in scopes.operations)
        and matches(listed.card.id, scopes.models)
        and (not scopes.providers or not listed.providers.isdisjoint(scopes.providers))
    )

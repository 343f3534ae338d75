"""From the name that a client gives a model to the targets that can serve it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gateway.config.model import Config, ModelAlias
from gateway.config.names import nearest_names
from gateway.plugin import voices_for
from gateway.types import Model, Operation, Place, Provider, Target

WILDCARD = "*"  # in an alias: any characters; as a target's model: whatever name the client gave

EVERYBODY = "*"  # in a voice of routes.yaml: what it is called where a provider has no voice of its own of that name

_NAME = re.compile(r"[A-Za-z0-9._:@/+-]{1,256}", re.ASCII)  # of a model, as clients may give it


def make_target(
    provider: Provider, model: Model, voices: Mapping[str, Mapping[str, str]], place: Place | None = None
) -> Target:
    """Return the target; the voices of routes.yaml (provider -> logical -> vendor's) overlay the plugin's own.

    What stands there for everybody is another logical voice, and for a provider that has none of the name itself.
    """
    own = {**voices_for(provider.plugin, model), **voices.get(provider.name, {})}
    stand_ins = voices.get(EVERYBODY, {}).items()
    found = {name: own[logical] for name, logical in stand_ins if name not in own and logical in own}
    return Target(provider, model, MappingProxyType({**own, **found}), place)


def resolve(config: Config, name: str, operation: Operation) -> tuple[ModelAlias | None, tuple[Target, ...]]:
    """Return what serves the model called `name`: an alias, else the longest pattern, else `provider/model`, else every
    provider with a model of that name.

    The targets are complete: where an alias takes any name of a provider, that provider's row of the name stands, or a
    bare model with the price that prices.yaml has for it. (None, ()) means the name is not known; an alias without
    targets says in `off` why.
    """
    if not _NAME.fullmatch(name) or ".." in name:
        return None, ()  # a wildcard would carry it into a vendor's URL
    operation = "chat" if operation == "tokens" else operation  # those of a chat's input, which its model counts
    for alias in config.models:
        if alias.operation == operation and _matches(alias.pattern, name):
            return alias, tuple(filled for target in alias.targets for filled in _filled(target, name, config.voices))
    rows = [
        make_target(provider, model, config.voices)
        for provider in config.providers.values()
        for model in provider.models.values()
        if model.operation == operation and name in (model.name, f"{provider.name}/{model.name}")
    ]
    direct = [target for target in rows if target.name == name] or rows
    on = [target for target in direct if target.provider.off_reason is None]
    primary = tuple(target for target in on if not target.provider.is_standby) or tuple(on)
    if direct and not primary:
        off = tuple((target.name, target.provider.off_reason or "") for target in direct)
        return ModelAlias(name, operation, (), off), ()
    return None, primary


def nearest(config: Config, name: str, operation: Operation) -> tuple[str, ...]:
    """Return at most three names of models with this operation that resemble `name`, the nearest first."""
    known = [alias.pattern for alias in config.models if alias.operation == operation and WILDCARD not in alias.pattern]
    known += [
        model.name
        for provider in config.providers.values()
        for model in provider.models.values()
        if model.operation == operation and provider.off_reason is None
    ]
    return tuple(nearest_names(name, known, 3))


def _matches(pattern: str, name: str) -> bool:
    """Whether `name` is what `pattern` says, where `*` is any characters; takes time in proportion to the name."""
    first, *parts = pattern.split(WILDCARD)
    if not parts:
        return pattern == name
    last = parts.pop()
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in parts:
        found = name.find(part, at, end)
        if found == -1:
            return False
        at = found + len(part)
    return True


def _filled(target: Target, name: str, voices: Mapping[str, Mapping[str, str]]) -> tuple[Target, ...]:
    """Put `name` in the place of a target's wildcard; nothing where the provider's model of it does other work."""
    if target.model.name != WILDCARD:
        return (target,)
    row = target.provider.models.get(name)
    if row is None:
        priced = replace(target.model, name=name, price=target.provider.prices.get(name))
        return (make_target(target.provider, priced, voices, target.place),)
    return (make_target(target.provider, row, voices, target.place),) if row.operation == target.model.operation else ()

"""`models` and `voices` of routes.yaml compiled: each model name with the targets that can serve it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.config.choices import compile_choice, compile_place
from gateway.config.document import Section
from gateway.config.model import ModelAlias
from gateway.config.names import unknown
from gateway.config.resolve import EVERYBODY, WILDCARD, make_target
from gateway.types import Model, Operation, Provider, Target

Voices = Mapping[str, Mapping[str, str]]  # provider, or `*` -> logical voice -> the vendor's, or a logical one


def compile_voices(root: Section, providers: Mapping[str, Any]) -> Voices:
    """Return the voices turned round to be read by provider; `providers` holds every name there is."""
    voices: dict[str, dict[str, str]] = {}
    for voice, section in root.at("voices").each():
        for provider, place in section.each():
            if provider not in providers and provider != EVERYBODY:
                place.error(
                    f"voice '{voice}' names the unknown provider '{provider}'{unknown(provider, providers)}",
                    at_key=True,
                )
                continue
            voices.setdefault(provider, {})[voice] = place.value
    return voices


def compile_aliases(
    root: Section, providers: Mapping[str, Provider], declared: Mapping[str, Any], voices: Voices
) -> tuple[ModelAlias, ...]:
    """Return the aliases, exact names before patterns and longer patterns first.

    `declared` is `providers` of the file as it stands: what is in it but not in `providers` has faults of its own.
    """
    aliases = [_alias(name, section, providers, declared, voices) for name, section in root.at("models").each()]
    return tuple(sorted(aliases, key=_precedence))


def _alias(
    name: str, section: Section, providers: Mapping[str, Provider], declared: Mapping[str, Any], voices: Voices
) -> ModelAlias:
    operation: Operation = section.get("operation")

    def shadow(place: Section) -> Target | None:
        named = _named(name, place, operation, providers, declared)
        if not named:
            return None
        if named[0][0].off_reason is not None:
            place.warn(f"model '{name}' has no shadow: {place.show()} is off, {named[0][0].off_reason}")
            return None
        return make_target(*named[0], voices)

    choice = compile_choice(name, section, shadow)
    found: dict[str, Target] = {}
    said: set[str] = set()
    for _, entry in section.at("targets").each():
        named_at = entry.at("target") if isinstance(entry.value, dict) else entry
        if named_at.value in said:
            named_at.error(f"model '{name}' names {named_at.show()} twice; keep one")
        said.add(named_at.value)
        place = compile_place(choice, named_at.value, entry, operation)
        for provider, model in _named(name, named_at, operation, providers, declared):
            own = replace(place, name=f"{provider.name}/{model.name}") if place is not None else None
            target = make_target(provider, model, voices, own)
            found.setdefault(target.name, target)
    on = [target for target in found.values() if target.provider.off_reason is None]
    primary = [target for target in on if not target.provider.is_standby]
    off = [(target.name, target.provider.off_reason) for target in found.values() if target.provider.off_reason]
    standing_by = [(target.name, "standing by") for target in on if primary and target.provider.is_standby]
    return ModelAlias(
        pattern=name,
        operation=operation,
        targets=tuple(primary or on),
        off=tuple(off + standing_by),
        description=section.get("description"),
        is_listed=section.get("listed", True),
        choice=choice,
    )


def _named(
    alias: str, place: Section, operation: Operation, providers: Mapping[str, Provider], declared: Mapping[str, Any]
) -> list[tuple[Provider, Model]]:
    """Return what one entry of `targets` means; nothing, and a problem, where it means nothing."""
    provider_name, _, model_name = place.value.partition("/")
    provider = providers.get(provider_name)
    if provider_name not in declared:
        place.error(f"model '{alias}' names the unknown provider '{provider_name}'{unknown(provider_name, declared)}")
        return []
    if provider is None:
        return []  # its row has faults of its own, which are reported there
    if model_name == WILDCARD:
        return _wildcard(alias, place, operation, provider)
    model = provider.models.get(model_name)
    if model is None:
        if model_name not in _declared_models(declared[provider_name]):
            guess = unknown(model_name, provider.models)
            place.error(f"model '{alias}' names '{model_name}', which provider '{provider_name}' does not have{guess}")
        return []
    if model.operation != operation:
        place.error(f"model '{alias}' is for {operation}, but '{place.value}' is for {model.operation}")
        return []
    return [(provider, model)]


def _wildcard(alias: str, place: Section, operation: Operation, provider: Provider) -> list[tuple[Provider, Model]]:
    """A pattern keeps one target that takes any name, filled in per call by `resolve`; a plain name takes the rows."""
    if operation not in provider.plugin.operations():
        place.error(f"model '{alias}' is for {operation}, which no model of provider '{provider.name}' can do")
        return []
    if WILDCARD in alias:
        return [(provider, Model(name=WILDCARD, operation=operation))]
    rows = [(provider, model) for model in provider.models.values() if model.operation == operation]
    if not rows:
        place.error(f"model '{alias}' asks for every {operation} model of provider '{provider.name}', which has none")
    return rows


def _declared_models(row: Any) -> Mapping[str, Any]:
    models = row.get("models") if isinstance(row, dict) else None
    return models if isinstance(models, dict) else {}


def _precedence(alias: ModelAlias) -> tuple[bool, int]:
    """Exact names stay in the operator's order, before patterns, of which the longest comes first."""
    is_pattern = WILDCARD in alias.pattern
    return is_pattern, -len(alias.pattern) if is_pattern else 0

"""Which voices a configuration has: the logical ones, and each provider's own, with what its plugin knows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gateway.config.model import Config
from gateway.config.resolve import make_target, resolve
from gateway.types import Provider, VoiceCard, VoiceFact

_NOTHING = VoiceFact()


def speakers(config: Config, model: str) -> tuple[Provider, ...]:
    """Return the providers that are on and speak, or of those the ones that serve `model`; () where none does."""
    if model:
        return tuple({target.provider.name: target.provider for target in resolve(config, model, "speech")[1]}.values())
    return tuple(
        provider
        for provider in config.providers.values()
        if provider.off_reason is None and any(model.operation == "speech" for model in provider.models.values())
    )


def list_voices(config: Config, providers: Sequence[Provider], language: str | None) -> tuple[VoiceCard, ...]:
    """Return the voices of the providers: the logical ones by name, then each provider's own.

    `language` keeps those of which it is known that they speak it.
    """
    spoken = {provider.name: _voices(config, provider) for provider in providers}
    facts = {provider.name: voice_facts(provider) for provider in providers}
    logical = {provider.name: _logical(config, provider, spoken[provider.name]) for provider in providers}
    cards = [*_logical_cards(logical, facts), *_own_cards(logical, spoken, facts)]
    return tuple(card for card in cards if language is None or _speaks(card.fact, language))


def voice_facts(provider: Provider) -> Mapping[str, VoiceFact]:
    """Return what the provider's plugin tells of its voices: its optional `voice_facts`."""
    facts: Mapping[str, VoiceFact] = getattr(provider.plugin, "voice_facts", {})
    return facts


def _voices(config: Config, provider: Provider) -> Mapping[str, str]:
    """Return the voices of all its models that speak; where one name means different ones, the first model's."""
    voices: dict[str, str] = {}
    for row in provider.models.values():
        if row.operation == "speech":
            voices = {**make_target(provider, row, config.voices).voices, **voices}
    return voices


def _logical(config: Config, provider: Provider, voices: Mapping[str, str]) -> Mapping[str, str]:
    """Return the voices without those that only this vendor calls so: its own names, and short ones of them.

    What routes.yaml names is logical, whatever it is called.
    """
    facts = voice_facts(provider)
    short: frozenset[str] = getattr(provider.plugin, "short_names", frozenset())
    given = config.voices.get(provider.name, {})
    return {
        name: own
        for name, own in voices.items()
        if name in given or not (name in short or (name == own and name in facts))
    }


def _logical_cards(
    logical: Mapping[str, Mapping[str, str]], facts: Mapping[str, Mapping[str, VoiceFact]]
) -> Iterator[VoiceCard]:
    for name in sorted({voice for voices in logical.values() for voice in voices}):
        owners = {provider: voices[name] for provider, voices in logical.items() if name in voices}
        known = [facts[provider][own] for provider, own in owners.items() if own in facts[provider]]
        yield VoiceCard(name, known[0] if known else _NOTHING, owners, is_logical=True)


def _own_cards(
    logical: Mapping[str, Mapping[str, str]],
    spoken: Mapping[str, Mapping[str, str]],
    facts: Mapping[str, Mapping[str, VoiceFact]],
) -> Iterator[VoiceCard]:
    """What bears the vendor's name already among the logical ones is not said twice."""
    for provider, voices in spoken.items():
        for own in sorted({*voices.values(), *facts[provider]}):
            if logical[provider].get(own) != own:
                yield VoiceCard(own, facts[provider].get(own, _NOTHING), {provider: own}, is_logical=False)


def _speaks(fact: VoiceFact, language: str) -> bool:
    if fact.language is None:
        return False
    spoken, wanted = fact.language.lower(), language.lower().replace("_", "-")
    return spoken == wanted or spoken.startswith(f"{wanted}-")

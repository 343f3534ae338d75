"""What has no price: refused below a budget, which would not hold, and told everywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from gateway.config.document import Section
from gateway.config.model import Config
from gateway.config.resolve import WILDCARD
from gateway.types import Model, Operation, Provider


def check_budget(
    what: str,
    place: Section,
    config: Config,
    operations: Iterable[Operation],
    faulty: frozenset[str],
    providers: tuple[str, ...] | None = None,
) -> None:
    """Refuse a budget, `what` by name, over models that nobody has priced; of `providers` (patterns), if given.

    A model that is off today is reachable tomorrow, so credentials do not matter here; `enabled: false` does.
    """
    for operation in operations:
        if operation in ("models", "voices", "proxy"):
            continue
        names = sorted({name for name in _unpriced(config, operation) if _counts(name, faulty, providers)})
        if not names:
            continue
        message = f"{what} has a budget but can reach {operation} models without a price: {_some(names)}; price them"
        message += ", 0 if free"
        if any(name.endswith(WILDCARD) for name in names):
            message += ", and let no pattern take any model of a provider"
        place.error(message)


def _counts(name: str, faulty: frozenset[str], providers: tuple[str, ...] | None) -> bool:
    provider = name.partition("/")[0]
    is_asked = providers is None or any(fnmatchcase(provider, pattern) for pattern in providers)
    return is_asked and provider not in faulty


def warn_of_unpriced(config: Config, rows: Section, faulty: frozenset[str]) -> None:
    """Say once for each provider that is on which of its models have no price."""
    for name, provider in config.providers.items():
        unpriced = [model.name for model in provider.models.values() if not is_priced(model)]
        if unpriced and provider.off_reason is None and name not in faulty:
            rows.at(name).at("models").warn(
                f"nobody knows what these models of '{name}' cost: {_some(unpriced)}; give a price, 0 if free"
            )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _unpriced(config: Config, operation: Operation) -> Iterator[str]:
    for provider in config.providers.values():
        if _is_disabled(provider):
            continue
        for model in provider.models.values():
            if model.operation == operation and not is_priced(model):
                yield f"{provider.name}/{model.name}"
    for alias in config.models:
        if alias.operation == operation and WILDCARD in alias.pattern:
            names = [target.name for target in alias.targets] + [name for name, _ in alias.off]
            yield from (
                name
                for name in names
                if name.endswith(f"/{WILDCARD}") and not _is_disabled(config.providers[name.partition("/")[0]])
            )


def _is_disabled(provider: Provider) -> bool:
    return (provider.off_reason or "").startswith("disabled ")


def is_priced(model: Model) -> bool:
    """Return whether the model's price covers what its operation uses."""
    price = model.price
    if price is None:
        return False
    if price.per_request is not None:
        return True
    has_tokens = price.input_per_mtok is not None and price.output_per_mtok is not None
    return {
        "chat": has_tokens,
        "embeddings": price.input_per_mtok is not None,
        "speech": price.per_mchar is not None or price.per_audio_minute is not None or has_tokens,
        "realtime": has_tokens or price.per_audio_minute is not None,
        "transcription": price.per_audio_minute is not None or has_tokens,
    }.get(model.operation, True)

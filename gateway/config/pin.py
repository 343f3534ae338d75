"""A call that is pinned to one provider: which provider that is, and which of its models serve it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from gateway.config.model import Config
from gateway.config.names import nearest_names, unknown
from gateway.config.resolve import make_target, resolve
from gateway.errors import InvalidRequest, UnknownModel, UpstreamUnavailable
from gateway.types import Model, Operation, Provider, Speech, Target

# A vendor's own name of a voice may stand in a vendor's URL, so it is nothing that could change one.
_OWN_VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:+@()-]{0,199}", re.ASCII)


def pinned(config: Config, name: str) -> Provider:
    """Return the provider called `name`. Raises InvalidRequest where there is none, UpstreamUnavailable for one off.

    This is the one place that grants a pin: what a key may be pinned to is to be asked here.
    """
    provider = config.providers.get(name)
    if provider is None:
        on = [provider.name for provider in config.providers.values() if provider.off_reason is None]
        raise InvalidRequest(f"provider {name[:60]!r} is not configured{unknown(name[:60], on)}", param="provider")
    if provider.off_reason is not None:
        raise UpstreamUnavailable(f"provider '{name}' is off: {provider.off_reason}", param="provider")
    return provider


def pinned_targets(
    config: Config, provider: Provider, operation: Operation, model: str, default: str | None
) -> tuple[str, tuple[Target, ...]]:
    """Return the name of the model and the targets at `provider` that serve it, standing by or not.

    `model` is the client's and `default` the route's; where the client named none and the route's is not to be had
    there, the provider's first model with this operation serves. Raises UnknownModel with the nearest names.
    """
    operation = "chat" if operation == "tokens" else operation  # as in `resolve`
    wanted = model or default or ""
    targets = (
        tuple({target.name: target for target in _at(config, provider, operation, wanted)}.values()) if wanted else ()
    )
    rows = [row for row in provider.models.values() if row.operation == operation]
    if not targets and not model and rows:
        wanted, targets = rows[0].name, (make_target(provider, rows[0], config.voices),)
    if targets:
        return wanted, targets
    if not rows:
        raise InvalidRequest(f"provider '{provider.name}' has no model for {operation}", param="provider")
    near = nearest_names(model, [row.name for row in rows], 3) or [row.name for row in rows][:3]
    raise UnknownModel(
        f"provider '{provider.name}' does not serve model {wanted[:100]!r} for {operation}; did you mean "
        f"{', '.join(near)}?",
        param="model",
    )


def with_own_voice(target: Target, body: object) -> Target:
    """Return the target so that the vendor's own voice passes, where a pinned speech names one that is not mapped."""
    if not isinstance(body, Speech) or body.voice in target.voices:
        return target
    if not _OWN_VOICE.fullmatch(body.voice) or ".." in body.voice:
        return target
    return replace(target, voices=MappingProxyType({**target.voices, body.voice: body.voice}))


def _at(config: Config, provider: Provider, operation: Operation, name: str) -> Iterator[Target]:
    """Yield what `resolve` finds at the provider, then what stands by there, then its own row of the name."""
    alias, targets = resolve(config, name, operation)
    yield from (target for target in targets if target.provider.name == provider.name)
    if alias is not None:
        for off, _ in alias.off:
            row = _row(provider, off, operation, name)
            if row is not None:
                yield make_target(provider, row, config.voices)
    row = provider.models.get(name.removeprefix(f"{provider.name}/"))
    if row is not None and row.operation == operation:
        yield make_target(provider, row, config.voices)


def _row(provider: Provider, target: str, operation: Operation, name: str) -> Model | None:
    """Return the provider's row of an alias's target, `*` filled in, or None where it belongs to another provider."""
    owner, _, model = target.partition("/")
    if owner != provider.name:
        return None
    if model == "*":
        model = name
        if model not in provider.models:
            return Model(name, operation)
    row = provider.models.get(model)
    return row if row is not None and row.operation == operation else None

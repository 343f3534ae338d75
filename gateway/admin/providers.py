"""Providers, and taking one out of service and back without a reload: in this process, and until it ends."""

from __future__ import annotations

import logging

from gateway.admin.access import check_every_tenant
from gateway.admin.ask import Answer, Ask
from gateway.config.names import unknown
from gateway.errors import NotFound
from gateway.stores.standing import Standing
from gateway.stores.switches import State
from gateway.types import Model, Provider

LOGGER = logging.getLogger("gateway")


async def list_providers(ask: Ask) -> Answer:
    switches, standing = ask.services.switches, ask.services.standing
    return {
        "providers": [
            _facts(provider, switches.state(name), standing) for name, provider in ask.snapshot.config.providers.items()
        ]
    }


async def set_provider_state(ask: Ask) -> Answer:
    check_every_tenant(ask.client)
    name, providers = ask.params["name"], ask.snapshot.config.providers
    if name not in providers:
        raise NotFound(f"there is no provider {name[:100]!r}{unknown(name[:100], providers)}", param="name")
    state: State = ask.body["state"]
    ask.services.switches.set(name, state)
    LOGGER.warning("provider %s is %s, by %s", name, state, ask.client.name)
    return _facts(providers[name], state, ask.services.standing)


def _facts(provider: Provider, state: State, standing: Standing) -> Answer:
    return {
        "name": provider.name,
        "state": state,
        "is_configured": provider.off_reason is None,
        "off_reason": provider.off_reason,
        "is_standby": provider.is_standby,
        "base_url": provider.base_url,
        "models": [_model(model, f"{provider.name}/{model.name}", standing) for model in provider.models.values()],
    }


def _model(model: Model, target: str, standing: Standing) -> Answer:
    """The last two are null where no strategy asks for them, or nobody has been asked yet."""
    known = standing.known(target)
    return {
        "name": model.name,
        "operation": model.operation,
        "in_flight": known.in_flight if known is not None else None,
        "first_content_s": known.latency_s if known is not None else None,
    }

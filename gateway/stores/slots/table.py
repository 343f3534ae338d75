"""Every limit on calls at once of this process, by what it is a limit of; they outlive a reload."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config.model import Config
from gateway.stores.slots.share import ALONE, Share
from gateway.stores.slots.slots import Slots
from gateway.types import Concurrency, Target

SERVER = "server"  # the gateway's own; names of the others hold a slash


class SlotTable:
    """`server` is the gateway's own limit. Of providers and models those that are limited are there."""

    def __init__(self) -> None:
        self.share: Share = ALONE
        self.server = Slots(SERVER)
        self._slots: dict[str, Slots] = {}

    def use(self, config: Config) -> None:
        """Go by a configuration's numbers from now on. A limit that is gone is forgotten once nobody holds a slot."""
        server = config.server.concurrency
        self.server.use(None if server is None else self.share.of(server))
        policies = {name: self.share.of(policy) for name, policy in policies_of(config).items()}
        for name, policy in policies.items():
            if name not in self._slots:
                self._slots[name] = Slots(name)
            self._slots[name].use(policy)
        for name in self._slots.keys() - policies.keys():
            gone = self._slots[name]
            gone.use(None)
            if not gone.running:
                del self._slots[name]

    def of(self, target: Target) -> list[Slots]:
        """Return what limits a target: its model's own, then its provider's."""
        provider, model = target.provider, target.model
        names = []
        if model.concurrency is not None:
            names.append(target.name)
        if provider.concurrency is not None:
            names.append(f"{provider.name}/*")
        return [self._slots[name] for name in names if name in self._slots]

    def limited(self) -> tuple[Slots, ...]:
        """Return all that limit something."""
        return tuple(slots for slots in (self.server, *tuple(self._slots.values())) if slots.policy is not None)


def policies_of(config: Config) -> Mapping[str, Concurrency]:
    """Return what limits providers, by `provider/*`, and models, by their targets' names."""
    found = {}
    for provider in config.providers.values():
        if provider.concurrency is not None:
            found[f"{provider.name}/*"] = provider.concurrency
        for model in provider.models.values():
            if model.concurrency is not None:
                found[f"{provider.name}/{model.name}"] = model.concurrency
    return found

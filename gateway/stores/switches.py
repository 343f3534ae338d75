"""Which providers an admin has taken out, in this process and those that serve beside it, until they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from gateway.types import Call, Passage, Target

State = Literal["enabled", "draining", "disabled"]


class Switches:
    """Every provider is enabled until somebody says otherwise."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self.on_change: Callable[[str, State], None] | None = None  # tells the others

    def set(self, provider: str, state: State) -> None:
        self.follow(provider, state)
        if self.on_change is not None:
            self.on_change(provider, state)

    def follow(self, provider: str, state: State) -> None:
        """Do as another process did."""
        if state == "enabled":
            self._states.pop(provider, None)
        else:
            self._states[provider] = state

    def state(self, provider: str) -> State:
        return self._states.get(provider, "enabled")

    def reason(self, call: Call, target: Target) -> str | None:
        """Return why a provider takes no call, or None. One that drains still takes those that name it."""
        state = self.state(target.provider.name)
        return (
            None if state == "enabled" or (state == "draining" and _names(call, target)) else f"is {state} by an admin"
        )


def _names(call: Call, target: Target) -> bool:
    """Return whether the client asked for this provider and no other."""
    return bool(call.provider) or call.model == target.name or isinstance(call.body, Passage)

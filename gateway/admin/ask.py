"""A request to the admin API, let in and checked: what a handler gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.services import Services
from gateway.snapshot import Snapshot
from gateway.stores.keys.store import EVERY_TENANT
from gateway.types import Client

if TYPE_CHECKING:
    from gateway.admin.process import Process


@dataclass(frozen=True, slots=True)
class Ask:
    """`params` are the path's {placeholders}; `query` and `body` are as their schemas want them."""

    client: Client
    params: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    snapshot: Snapshot
    services: Services
    now: float  # seconds of the epoch
    process: Process | None = None  # None: `gateway run` did not start it

    @property
    def tenant(self) -> str | None:
        """The only tenant that the key may see; None: every one."""
        return None if self.client.tenant == EVERY_TENANT else self.client.tenant


Answer = Mapping[str, Any]
Handle = Callable[[Ask], Awaitable[Answer]]

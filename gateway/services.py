"""What outlives a reload: connections, counters, the cache, the metrics, the clocks."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from gateway.stores.budgets import Budgets
from gateway.stores.cache import CacheStore
from gateway.stores.rates import Rates
from gateway.stores.shared_rates import SharedRates
from gateway.stores.thoughts import ThoughtStore
from gateway.telemetry.metrics import Metrics
from gateway.upstream import Upstream
from gateway.upstream.converter import Converter
from gateway.upstream.http import HttpTransport

VIA_NAME = "ai-service-gateway"


@dataclass(slots=True)
class Services:
    instance: str  # names this process in `via`
    upstream: Upstream
    rates: Rates
    budgets: Budgets
    cache: CacheStore
    metrics: Metrics
    shared_rates: SharedRates = field(default_factory=SharedRates)
    thoughts: ThoughtStore = field(default_factory=lambda: ThoughtStore(time.monotonic))
    converter: Converter = field(default_factory=Converter)
    started_at: float = field(default_factory=time.time)

    async def aclose(self) -> None:
        await self.shared_rates.aclose()
        await self.converter.aclose()
        await self.upstream.aclose()


def open_services() -> Services:
    """Return fresh services; nothing is connected yet."""
    instance = f"{VIA_NAME}-{secrets.token_hex(4)}"
    return Services(
        instance=instance,
        upstream=Upstream(HttpTransport(f"1.1 {instance}")),
        rates=Rates(time.monotonic),
        budgets=Budgets(time.time),
        cache=CacheStore(0, time.monotonic),
        metrics=Metrics(),
    )

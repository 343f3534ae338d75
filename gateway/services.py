"""What outlives a reload: connections, counters, the cache, the metrics, the clocks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.issuers.table import Issuers
from gateway.stores.breakers import Breakers
from gateway.stores.cache import CacheStore
from gateway.stores.calibration import Calibration
from gateway.stores.keys.ring import KeyRing
from gateway.stores.latencies import Latencies
from gateway.stores.ledger import Ledger
from gateway.stores.limits import Limiter
from gateway.stores.limits.clock import SteadyClock
from gateway.stores.retries import HedgeShare, RetryBudget
from gateway.stores.shadows import Shadows
from gateway.stores.similar import SimilarQuestions
from gateway.stores.slots import WAIT_BUCKETS_S, SlotTable
from gateway.stores.standing import Standing
from gateway.stores.switches import Switches
from gateway.stores.thoughts import ThoughtStore
from gateway.telemetry.merge import Dump
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.seen import Seen
from gateway.telemetry.slots import SlotMetrics
from gateway.telemetry.system import System
from gateway.telemetry.tracing import Tracing
from gateway.upstream import Upstream
from gateway.upstream.alerts import Alerts
from gateway.upstream.converter import Converter
from gateway.upstream.cutter import Cutter
from gateway.upstream.http import HttpTransport
from gateway.upstream.probing import Prober
from gateway.upstream.webhook import Webhook

VIA_NAME = "ai-service-gateway"
ISSUER_CONNECT_S = 5.0  # nobody waits for it, and it is tried again


@dataclass(slots=True)
class Services:
    instance: str  # names this process in `via`
    upstream: Upstream
    cache: CacheStore
    metrics: Metrics
    webhook: Webhook
    limiter: Limiter
    prober: Prober
    thoughts: ThoughtStore = field(default_factory=lambda: ThoughtStore(time.monotonic))
    converter: Converter = field(default_factory=Converter)
    cutter: Cutter = field(default_factory=Cutter)
    calibration: Calibration = field(default_factory=Calibration)
    keys: KeyRing = field(default_factory=KeyRing)
    issuers: Issuers = field(default_factory=Issuers)
    ledger: Ledger = field(default_factory=Ledger)
    switches: Switches = field(default_factory=Switches)
    breakers: Breakers = field(default_factory=Breakers)
    slots: SlotTable = field(default_factory=SlotTable)
    standing: Standing = field(default_factory=lambda: Standing(time.monotonic))
    shadows: Shadows = field(default_factory=Shadows)
    questions: SimilarQuestions = field(default_factory=SimilarQuestions)
    flights: dict[str, Any] = field(default_factory=dict)  # calls in flight that others may join; see coalesce
    retries: RetryBudget = field(default_factory=lambda: RetryBudget(time.monotonic))
    hedges: HedgeShare = field(default_factory=HedgeShare)
    latencies: Latencies = field(default_factory=Latencies)
    seen: Seen = field(default_factory=Seen)
    system: System = field(default_factory=System)
    tracing: Tracing = field(default_factory=Tracing)
    started_at: float = field(default_factory=time.time)
    gather: Callable[[], Awaitable[list[Dump]]] | None = None  # the metrics of all workers, where there are several

    async def aclose(self) -> None:
        await self.shadows.aclose()  # first: what they used is written down by all that follow
        await self.cache.aclose()  # and what it asks anew
        await self.limiter.aclose()
        await self.webhook.aclose()
        await self.converter.aclose()
        await self.cutter.aclose()
        await self.issuers.aclose()
        await self.prober.aclose()
        await self.upstream.aclose()
        await self.keys.aclose()
        await self.ledger.aclose()
        await self.tracing.aclose()


def open_services() -> Services:
    """Return fresh services; nothing is connected yet."""
    instance = f"{VIA_NAME}-{secrets.token_hex(4)}"
    transport = HttpTransport(f"1.1 {instance}")
    metrics = Metrics()
    webhook = Webhook(transport)
    upstream, breakers = Upstream(transport), Breakers(metrics)
    slots = SlotTable()
    metrics.registry.register(SlotMetrics(slots.limited, WAIT_BUCKETS_S))
    return Services(
        instance=instance,
        upstream=upstream,
        cache=CacheStore(time.time),
        metrics=metrics,
        webhook=webhook,
        limiter=Limiter(SteadyClock(), Alerts(metrics, webhook.post)),
        prober=Prober(upstream, breakers, metrics.probed),
        slots=slots,
        issuers=Issuers(transport.bind(ISSUER_CONNECT_S)),
        breakers=breakers,
    )

"""What live sessions take: how many are open, and how many messages they passed."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge


@dataclass(slots=True)
class Passed:
    """The messages of one session, either way."""

    up: int = 0
    down: int = 0


class LiveMetrics:
    """Seconds and tokens are in the families of all calls; these are beside them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge("gateway_live_sessions", "Live sessions that are open now.", ("route",), registry=registry)
        self._messages = Counter(
            "gateway_live_messages",
            "Messages that live sessions passed, when they ended: up from clients, down to them.",
            ("route", "direction"),
            registry=registry,
        )

    def opened(self, route: str) -> None:
        self._open.labels(route).inc()

    def closed(self, route: str, passed: Passed) -> None:
        self._open.labels(route).dec()
        for direction, number in (("up", passed.up), ("down", passed.down)):
            self._messages.labels(route, direction).inc(number)

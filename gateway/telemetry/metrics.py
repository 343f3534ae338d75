"""Prometheus metrics, in a registry of their own. Label values come from the configuration, so they are bounded."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gateway.types import NANO_USD, Receipt

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters in base units. `labels(...)` is looked up once per child and kept: 0.3 µs instead of 1 to 3."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "gateway_requests", "Requests answered, by route and status.", ("route", "status"), registry=registry
        )
        self.duration = Histogram(
            "gateway_request_duration_seconds",
            "From the request's head to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_content = Histogram(
            "gateway_first_content_seconds",
            "From the request's head to the first content: token, audio, transcript.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge("gateway_requests_in_flight", "Requests being answered now.", registry=registry)
        self.attempts = Counter(
            "gateway_attempts", "Attempts at targets, by outcome.", ("target", "outcome"), registry=registry
        )
        self.cost = Counter("gateway_cost_usd", "What answers cost.", ("target",), registry=registry)
        self.cache = Counter("gateway_cache", "Cache look-ups, by result.", ("result",), registry=registry)
        self.reloads = Counter(
            "gateway_config_reloads", "Reloads, by result: applied or refused.", ("result",), registry=registry
        )
        self.reload_duration = Histogram(
            "gateway_config_reload_duration_seconds", "Loading, checking and building.", registry=registry
        )
        self.generation = Gauge("gateway_config_generation", "Number of the configuration in force.", registry=registry)
        self.is_config_current = Gauge(
            "gateway_config_last_reload_successful", "1, or 0 where the files were refused.", registry=registry
        )
        for result in ("applied", "refused"):
            self.reloads.labels(result)
        self._children: dict[tuple[object, ...], Counter | Histogram] = {}

    def record(self, receipt: Receipt, status: int, ended_s: float, targets: frozenset[str]) -> None:
        """Count one finished request. `targets` are the configured ones; others are counted as `other`."""
        self._counter(self.requests, receipt.route, str(status)).inc()
        self._histogram(self.duration, receipt.route).observe(ended_s - receipt.started_s)
        if receipt.cache != "off":
            self._counter(self.cache, receipt.cache).inc()
        for attempt in receipt.attempts:
            if attempt.outcome == "cached":
                continue
            target = attempt.target if attempt.target in targets else "other"
            self._counter(self.attempts, target, attempt.outcome).inc()
            if attempt.cost_nano_usd:
                self._counter(self.cost, target).inc(attempt.cost_nano_usd / NANO_USD)
        last = receipt.last
        if last is not None and last.first_content_s is not None:
            self._histogram(self.first_content, receipt.route).observe(last.first_content_s - receipt.started_s)

    def _counter(self, metric: Counter, *labels: str) -> Counter:
        key = (id(metric), *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        assert isinstance(child, Counter)
        return child

    def _histogram(self, metric: Histogram, *labels: str) -> Histogram:
        key = (id(metric), *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        assert isinstance(child, Histogram)
        return child

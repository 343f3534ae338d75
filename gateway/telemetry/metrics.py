"""Prometheus metrics, in a registry of their own. Label values come from the configuration, so they are bounded."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from gateway.telemetry import tally
from gateway.telemetry.live import LiveMetrics
from gateway.telemetry.measures import Measures
from gateway.telemetry.states import StateMetrics
from gateway.types import NANO_USD, Receipt

# How far a breaker's state is from taking every call.
_BREAKER_STATES = {"closed": 0, "returning": 1, "half_open": 2, "open": 3}
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters in base units. Those of which each call moves some are plain numbers, made into families when asked."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = tally.Counter(
            "gateway_requests", "Requests answered, by route and status.", ("route", "status"), registry
        )
        self.duration = tally.Histogram(
            "gateway_request_duration_seconds",
            "From the request's head to the end of its answer.",
            ("route",),
            _SECONDS,
            registry,
        )
        self.first_content = tally.Histogram(
            "gateway_first_content_seconds",
            "From the request's head to the first content: token, audio, transcript.",
            ("route",),
            _SECONDS,
            registry,
        )
        self.in_flight = Gauge("gateway_requests_in_flight", "Requests being answered now.", registry=registry)
        self.attempts = tally.Counter(
            "gateway_attempts", "Attempts at targets, by outcome.", ("target", "outcome"), registry
        )
        self.further = tally.Counter(
            "gateway_further_attempts",
            "Attempts beyond a request's first, by why they were made.",
            ("why",),
            registry,
        )
        self.unretried = tally.Counter(
            "gateway_unretried_requests",
            "Requests that failed and might have been tried again, by what forbade it: attempts, wait or budget.",
            ("reason",),
            registry,
        )
        self.holds = tally.Counter(
            "gateway_holds",
            "Streams that were held back, by what came of it: released or rescued.",
            ("result",),
            registry,
        )
        self.cost = tally.Counter("gateway_cost_usd", "What answers cost.", ("target",), registry)
        self.unpriced = tally.Counter(
            "gateway_unpriced_requests", "Answers of targets whose price nobody knows.", ("target",), registry
        )
        self.shadows = tally.Counter(
            "gateway_shadow_requests",
            "Copies of calls sent to a shadow, by outcome; dropped: no room for more; ejected: it is out.",
            ("target", "outcome"),
            registry,
        )
        self.shadow_cost = tally.Counter(
            "gateway_shadow_cost_usd",
            "What shadows' answers cost, which is in no other figure.",
            ("target",),
            registry,
        )
        self.cache = tally.Counter("gateway_cache", "Cache look-ups, by result.", ("result",), registry)
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
        self.budget_alerts = Counter(
            "gateway_budget_alerts", "Thresholds that budgets came to.", ("limit", "percent"), registry=registry
        )
        self.breaker_state = Gauge(
            "gateway_breaker_state",
            "0 closed, 1 returning, 2 half-open, 3 open: the target is ejected.",
            ("target",),
            registry=registry,
        )
        self.breaker_transitions = Counter(
            "gateway_breaker_transitions",
            "Transitions of breakers, by where to.",
            ("target", "state"),
            registry=registry,
        )
        self.probes = Counter(
            "gateway_probes",
            "Requests that asked a vendor whether it is there.",
            ("provider", "outcome"),
            registry=registry,
        )
        for result in ("applied", "refused"):
            self.reloads.labels(result)
        self.live = LiveMetrics(registry)
        self.measures = Measures()
        registry.register(self.measures)
        self.states = StateMetrics()
        registry.register(self.states)
        ProcessCollector(registry=registry)

    def record(self, receipt: Receipt, status: int, ended_s: float, targets: frozenset[str]) -> None:
        """Count one finished request. `targets` are the configured ones; others are counted as `other`."""
        self.measures.record(receipt, ended_s, targets)
        self.requests.add(receipt.route, str(status))
        self.duration.add(receipt.route, size=ended_s - receipt.started_s)
        if receipt.cache != "off":
            self.cache.add(receipt.cache)
        for attempt in receipt.attempts:
            if not attempt.was_asked:
                continue
            target = attempt.target if attempt.target in targets else "other"
            self.attempts.add(target, attempt.outcome)
            if attempt.why != "first":
                self.further.add(attempt.why)
            if attempt.is_unpriced:
                self.unpriced.add(target)
            if attempt.cost_nano_usd:
                self.cost.add(target, number=attempt.cost_nano_usd / NANO_USD)
        if receipt.unretried:
            self.unretried.add(receipt.unretried)
        if receipt.held is not None:
            self.holds.add(receipt.held)
        last = receipt.last
        if last is not None and last.first_content_s is not None:
            self.first_content.add(receipt.route, size=last.first_content_s - receipt.started_s)

    def breaker_stands(self, target: str, state: str) -> None:
        """Show a breaker's state; `target` is a configured one."""
        self.breaker_state.labels(target).set(_BREAKER_STATES[state])

    def breaker_moved(self, target: str, state: str) -> None:
        self.breaker_stands(target, state)
        self.breaker_transitions.labels(target, state).inc()

    def breaker_gone(self, target: str) -> None:
        """Forget a target that the configuration no longer has."""
        for metric, labels in ((self.breaker_state, ()), *((self.breaker_transitions, (s,)) for s in _BREAKER_STATES)):
            with suppress(KeyError):  # it never went there
                metric.remove(target, *labels)

    def probed(self, provider: str, outcome: str) -> None:
        """Count a probe; the outcome is ok, busy or an error's code."""
        self.probes.labels(provider, outcome).inc()

    def record_shadow(self, target: str, outcome: str, cost_nano_usd: int | None) -> None:
        """Count one copy of a call, or that there was none: `dropped`."""
        self.shadows.add(target, outcome)
        if cost_nano_usd:
            self.shadow_cost.add(target, number=cost_nano_usd / NANO_USD)

"""Counters from the receipt, with labels that only the configuration can make more of."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from gateway.telemetry.metrics import Metrics
from gateway.types import Attempt, Receipt

TARGETS = frozenset({"a/m", "b/m"})


def receipt(*attempts: Attempt, route: str = "POST /v1/chat/completions", cache: str = "off") -> Receipt:
    made = Receipt(
        "request-1", 10.0, route=route, cache=cache, client="sk-canary", model="sk-canary", tenant="sk-canary"
    )
    made.attempts += attempts
    made.headers["x-secret"] = "sk-canary"
    return made


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def series(metrics: Metrics) -> int:
    return sum(len(metric.samples) for metric in metrics.registry.collect())


def test_a_request_is_counted_by_route_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 502):
        metrics.record(receipt(), status, 10.3, TARGETS)
    route = "POST /v1/chat/completions"
    assert value(metrics, "gateway_requests_total", route=route, status="200") == 2
    assert value(metrics, "gateway_requests_total", route=route, status="502") == 1
    assert value(metrics, "gateway_request_duration_seconds_count", route=route) == 3
    assert value(metrics, "gateway_request_duration_seconds_sum", route=route) == pytest.approx(0.9)
    assert value(metrics, "gateway_request_duration_seconds_bucket", route=route, le="0.25") == 0
    assert value(metrics, "gateway_request_duration_seconds_bucket", route=route, le="0.5") == 3


def test_answers_of_unknown_price_are_counted_by_target() -> None:
    metrics = Metrics()
    unpriced, free = Attempt("a/m", outcome="ok", is_unpriced=True), Attempt("b/m", outcome="ok", cost_nano_usd=0)
    metrics.record(receipt(unpriced, free), 200, 11.0, TARGETS)
    assert value(metrics, "gateway_unpriced_requests_total", target="a/m") == 1
    assert value(metrics, "gateway_unpriced_requests_total", target="b/m") == 0


def test_attempts_and_their_costs_are_counted_by_target() -> None:
    metrics = Metrics()
    failed = Attempt("a/m", outcome="upstream_timeout", cost_nano_usd=500_000_000)
    metrics.record(receipt(failed, Attempt("b/m", outcome="ok", cost_nano_usd=1)), 200, 11.0, TARGETS)
    assert value(metrics, "gateway_attempts_total", target="a/m", outcome="upstream_timeout") == 1
    assert value(metrics, "gateway_attempts_total", target="b/m", outcome="ok") == 1
    assert value(metrics, "gateway_cost_usd_total", target="a/m") == 0.5
    assert value(metrics, "gateway_cost_usd_total", target="b/m") == 1e-9


def test_further_attempts_are_counted_by_why_and_what_forbade_one_by_reason() -> None:
    metrics = Metrics()
    made = receipt(Attempt("a/m"), Attempt("b/m", why="failover"), Attempt("a/m", why="retry"))
    made.unretried = "budget"
    metrics.record(made, 503, 11.0, TARGETS)
    metrics.record(receipt(Attempt("a/m", outcome="ok")), 200, 11.0, TARGETS)
    for why, times in (("first", 0), ("failover", 1), ("retry", 1)):
        assert value(metrics, "gateway_further_attempts_total", why=why) == times
    assert value(metrics, "gateway_unretried_requests_total", reason="budget") == 1


def test_streams_that_were_held_are_counted_by_what_came_of_it() -> None:
    metrics = Metrics()
    for held in ("rescued", "released", "released", None):
        made = receipt(Attempt("a/m", outcome="ok"))
        made.held = held
        metrics.record(made, 200, 11.0, TARGETS)
    assert value(metrics, "gateway_holds_total", result="rescued") == 1
    assert value(metrics, "gateway_holds_total", result="released") == 2


def test_the_time_to_the_first_content_is_that_of_the_attempt_that_answered() -> None:
    metrics = Metrics()
    metrics.record(receipt(Attempt("a/m"), Attempt("b/m", first_content_s=10.75)), 200, 12.0, TARGETS)
    metrics.record(receipt(Attempt("a/m")), 504, 12.0, TARGETS)
    route = "POST /v1/chat/completions"
    assert value(metrics, "gateway_first_content_seconds_count", route=route) == 1
    assert value(metrics, "gateway_first_content_seconds_sum", route=route) == 0.75


def test_an_answer_from_the_cache_is_a_look_up_and_no_attempt() -> None:
    metrics = Metrics()
    metrics.record(receipt(Attempt("a/m", outcome="cached", cost_nano_usd=0), cache="hit"), 200, 11.0, TARGETS)
    joined = Attempt("a/m", outcome="upstream_cut", cost_nano_usd=0, is_joined=True)
    metrics.record(receipt(joined, cache="coalesced"), 502, 11.0, TARGETS)
    metrics.record(receipt(cache="off"), 200, 11.0, TARGETS)
    assert value(metrics, "gateway_cache_total", result="hit") == 1
    assert value(metrics, "gateway_attempts_total", target="a/m", outcome="upstream_cut") == 0
    assert value(metrics, "gateway_cache_total", result="off") == 0
    assert value(metrics, "gateway_attempts_total", target="a/m", outcome="cached") == 0


def test_no_client_can_make_more_series() -> None:
    """Pain 31: what a wildcard lets a client name is counted as one."""
    metrics = Metrics()

    def ask(number: int) -> None:
        target = f"a/client-model-{number}"
        made = receipt(Attempt(target, outcome="ok", cost_nano_usd=1))
        made.model = made.client = f"client-{number}"
        metrics.record(made, 200, 11.0, TARGETS)

    ask(0)
    before = series(metrics)
    for number in range(1, 1000):
        ask(number)
    assert series(metrics) == before
    assert value(metrics, "gateway_attempts_total", target="other", outcome="ok") == 1000


def test_no_client_and_no_secret_is_shown() -> None:
    """Pain 40."""
    metrics = Metrics()
    metrics.record(receipt(Attempt("sk-canary/x", outcome="ok")), 200, 11.0, TARGETS)
    assert b"canary" not in generate_latest(metrics.registry)


def test_results_of_reloads_are_there_before_the_first() -> None:
    metrics = Metrics()
    assert metrics.registry.get_sample_value("gateway_config_reloads_total", {"result": "applied"}) == 0
    assert metrics.registry.get_sample_value("gateway_config_reloads_total", {"result": "refused"}) == 0


def test_two_gateways_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.record(receipt(), 200, 11.0, TARGETS)
    assert value(second, "gateway_requests_total", route="POST /v1/chat/completions", status="200") == 0

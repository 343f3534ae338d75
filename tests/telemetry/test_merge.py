"""Several processes' metrics as one: what adds up, what does not, and what stays of one that is gone."""

from __future__ import annotations

import math
import re

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from gateway import json
from gateway.telemetry.merge import Dump, Merged, dump, lasting, merge


def process(calls: dict[str, int], running: int, *took_s: float) -> Dump:
    """Return a process's dump, as it looks after it was sent."""
    registry = CollectorRegistry()
    counter = Counter("calls", "Calls.", ("route",), registry=registry)
    for route, count in calls.items():
        counter.labels(route).inc(count)
    Gauge("running", "Now.", registry=registry).set(running)
    histogram = Histogram("took_seconds", "Time.", buckets=(1, 2), registry=registry)
    for each in took_s:
        histogram.observe(each)
    sent: Dump = json.loads(json.dumps(dump(registry)))
    return sent


def value(dumps: list[Dump], sample: str, **labels: str) -> float | None:
    found = [
        each.value
        for family in text_string_to_metric_families(generate_latest(Merged(dumps)).decode())
        for each in family.samples
        if each.name == sample and each.labels == labels
    ]
    assert len(found) <= 1
    return found[0] if found else None


def test_one_alone_is_rendered_as_it_was() -> None:
    registry = CollectorRegistry()
    Counter("calls", "Calls.", ("route",), registry=registry).labels("a").inc(3)
    Histogram("took_seconds", "Time.", registry=registry).observe(0.3)
    for encode in (generate_latest, generate_openmetrics):
        assert encode(Merged([dump(registry)])) == encode(registry)


def test_counters_gauges_and_histograms_add_up_label_by_label() -> None:
    both = [process({"a": 1, "b": 2}, 4, 0.5, 1.5), process({"b": 10, "c": 20}, 5, 1.7)]
    assert [value(both, "calls_total", route=route) for route in "abcd"] == [1, 12, 20, None]
    assert value(both, "running") == 9
    assert [value(both, "took_seconds_bucket", le=le) for le in ("1.0", "2.0", "+Inf")] == [1, 3, 3]
    assert value(both, "took_seconds_count") == 3
    assert value(both, "took_seconds_sum") == pytest.approx(3.7)


def test_what_one_that_is_gone_counted_stays_and_what_it_did_does_not() -> None:
    gone, living = process({"a": 7}, 3, 0.5), process({"a": 1}, 2)
    rest = [lasting(gone), living]
    assert value(rest, "calls_total", route="a") == 8
    assert value(rest, "took_seconds_count") == 1
    assert value(rest, "running") == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gateway_config_generation", 5),
        ("gateway_breaker_state", 5),
        ("gateway_config_last_reload_successful", 2),
        ("gateway_requests_in_flight", 7),
    ],
)
def test_what_all_tell_of_one_thing_is_not_added(name: str, expected: float) -> None:
    def told(amount: float) -> Dump:
        registry = CollectorRegistry()
        Gauge(name, "Said.", registry=registry).set(amount)
        return dump(registry)

    assert value([told(2), told(5)], name) == expected


def test_a_reload_that_all_made_counts_once() -> None:
    def told(applied: int) -> Dump:
        registry = CollectorRegistry()
        Counter("gateway_config_reloads", "Reloads.", ("result",), registry=registry).labels("applied").inc(applied)
        return dump(registry)

    assert value([told(3), told(3), told(0)], "gateway_config_reloads_total", result="applied") == 3


def test_the_oldest_counts_as_when_it_began() -> None:
    older, newer = process({"a": 1}, 0), process({"a": 1}, 0)
    created = [s[2] for each in (older, newer) for f in each for s in f["samples"] if s[0] == "calls_created"]
    assert value([newer, older], "calls_created", route="a") == pytest.approx(min(created))


def test_a_value_that_json_does_not_have_is_not_a_number() -> None:
    registry = CollectorRegistry()
    Gauge("odd", "Odd.", registry=registry).set(math.nan)
    sent = json.loads(json.dumps(dump(registry)))
    found = value([sent], "odd")
    assert found is not None
    assert math.isnan(found)


def test_merging_is_the_same_in_any_order_and_any_grouping() -> None:
    one, two, three = process({"a": 1}, 1, 0.5), process({"a": 2, "b": 1}, 2), process({"b": 4}, 3, 5.0)

    def lines(*dumps: Dump) -> list[str]:
        text = generate_latest(Merged(dumps)).decode()
        return sorted(line for line in text.splitlines() if not re.match("#|.*_created", line))

    assert lines(one, two, three) == lines(three, one, two) == lines(merge([one, two]), three)

"""Plain counts become Prometheus' families as the library itself would have made them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    enable_created_metrics,
    generate_latest,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from gateway.telemetry import tally
from gateway.telemetry.tally import Counts, Tally

BOUNDS = (0.25, 1.0, 10.0)


class One(Collector):
    def __init__(self, family: HistogramMetricFamily) -> None:
        self._family = family

    def collect(self) -> Iterator[HistogramMetricFamily]:
        yield self._family


def text(registry: CollectorRegistry) -> list[str]:
    """What is served, without the times at which the library's own began."""
    lines = generate_latest(registry).decode().splitlines()
    return sorted(line for line in lines if "_created" not in line)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.2500001, 1.0, 9.99, 10.0, 10.01, 1e9])))
def test_a_tally_says_what_a_histogram_of_the_library_says(values: Sequence[float]) -> None:
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("name", "Text.", ("a",), buckets=BOUNDS, registry=theirs).labels("x")
    counted = Tally(BOUNDS)
    for value in values:
        histogram.observe(value)
        counted.add(value)
    ours.register(One(tally.histogram("name", "Text.", ("a",), {"x": counted})))
    assert text(ours) == text(theirs)


def test_counts_add_up_by_their_labels() -> None:
    counts = Counts()
    counts.add(("a", "b"))
    counts.add(("a", "b"), 2.5)
    counts.add(("a", "c"), 0)
    family = tally.counter("name", "Text.", ("one", "two"), counts)
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"one": "a", "two": "b"}, 3.5),
        ({"one": "a", "two": "c"}, 0),
    ]


def test_one_label_needs_no_tuple() -> None:
    registry = CollectorRegistry()
    counted = Tally(BOUNDS)
    counted.add(0.1)
    registry.register(One(tally.histogram("name", "Text.", ("route",), {"POST /x": counted})))
    assert b'name_bucket{le="0.25",route="POST /x"} 1.0' in generate_latest(registry)


@pytest.mark.parametrize("shows_begin", [True, False])
def test_counters_and_histograms_say_all_that_the_librarys_own_would(
    monkeypatch: pytest.MonkeyPatch, shows_begin: bool
) -> None:
    monkeypatch.setattr(time, "time", lambda: 12.5)
    if not shows_begin:
        disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        theirs, ours = CollectorRegistry(), CollectorRegistry()
        their_count = Counter("calls", "Text.", ("route", "status"), registry=theirs)
        their_size = Histogram("took_seconds", "Text.", ("route",), buckets=BOUNDS, registry=theirs)
        our_count = tally.Counter("calls", "Text.", ("route", "status"), ours)
        our_size = tally.Histogram("took_seconds", "Text.", ("route",), BOUNDS, ours)
        for route, status, number, size in (("a", "200", 1, 0.1), ("b", "200", 2.5, 20.0), ("a", "200", 1, 0.25)):
            their_count.labels(route, status).inc(number)
            our_count.add(route, status, number=number)
            their_size.labels(route).observe(size)
            our_size.add(route, size=size)
        assert generate_latest(ours) == generate_latest(theirs)
        assert (b"_created" in generate_latest(ours)) == shows_begin
    finally:
        enable_created_metrics()  # type: ignore[no-untyped-call]

"""Plain counts become Prometheus' families as the library itself would have made them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
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

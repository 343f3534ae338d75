"""Counts that cost a call little: plain numbers, made into Prometheus' families when somebody asks for them."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

# As the conventions for generative AI have them.
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKENS = tuple(float(4**power) for power in range(14))
# The gateway's own share of a call is a fraction of a millisecond, or something is wrong.
OVERHEAD_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
FACTORS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)


class Tally:
    """How often which size was seen: `bounds` are upper ones, and what lies beyond the last is counted too."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return Prometheus' cumulative buckets."""
        names = [*(floatToGoString(bound) for bound in self.bounds), "+Inf"]  # type: ignore[no-untyped-call]
        return list(zip(names, accumulate(tuple(self.counts)), strict=True))


class Counts(dict[Any, float]):
    """A number for each set of labels."""

    __slots__ = ()

    def add(self, labels: Any, number: float = 1) -> None:
        self[labels] = self.get(labels, 0) + number


class Counter(Collector):
    """Stands for the library's own, and says what that would; but to count takes no lock and looks up no child."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._counts = Counts()
        self._began = _Began()
        registry.register(self)

    def add(self, *labels: str, number: float = 1) -> None:
        counts = self._counts
        if labels in counts:
            counts[labels] += number
        else:
            self._began.note(labels)
            counts[labels] = number

    def describe(self) -> list[Any]:
        return []  # so that registering it asks for nothing

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, number in tuple(self._counts.items()):
            family.add_metric(labels, number, created=self._began.get(labels))
        yield family


class Histogram(Collector):
    """As `Counter`, of sizes."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._bounds = bounds
        self._tallies: dict[tuple[str, ...], Tally] = {}
        self._began = _Began()
        registry.register(self)

    def add(self, *labels: str, size: float) -> None:
        tally = self._tallies.get(labels)
        if tally is None:
            self._began.note(labels)
            tally = self._tallies[labels] = Tally(self._bounds)
        tally.add(size)

    def describe(self) -> list[Any]:
        return []

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, tally in tuple(self._tallies.items()):
            family.add_metric(labels, tally.buckets(), tally.sum)
            if (began := self._began.get(labels)) is not None:
                family.add_sample(f"{self._name}_created", dict(zip(self._labels, labels, strict=True)), began)
        yield family


class _Began(dict[Any, float]):
    """When each set of labels was first counted, in seconds of the epoch; nothing where the library is told not to
    show that (PROMETHEUS_DISABLE_CREATED_SERIES)."""

    def __init__(self) -> None:
        super().__init__()
        [family] = prometheus_client.Counter("any", "Any.", registry=None).collect()
        self._is_shown = any(sample.name.endswith("_created") for sample in family.samples)

    def note(self, labels: Any) -> None:
        if self._is_shown:
            self[labels] = time.time()


def counter(name: str, text: str, labels: Sequence[str], counts: Mapping[Any, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, number in tuple(counts.items()):  # a copy in one step: the loop counts on meanwhile
        family.add_metric((key,) if isinstance(key, str) else key, number)
    return family


def histogram(name: str, text: str, labels: Sequence[str], tallies: Mapping[Any, Tally]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, tally in tuple(tallies.items()):
        family.add_metric((key,) if isinstance(key, str) else key, tally.buckets(), tally.sum)
    return family

"""The metric families there are, as the gateway's own code defines them: name, kind, help and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from gateway.server.gathering import of_workers
from gateway.stores.slots import WAIT_BUCKETS_S
from gateway.telemetry import tally
from gateway.telemetry.live import LiveMetrics
from gateway.telemetry.measures import Measures
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.slots import SlotMetrics
from gateway.telemetry.states import States


@dataclass(frozen=True, slots=True)
class Family:
    name: str  # without the ending that a sample has
    kind: str  # counter, gauge, histogram or info
    help: str
    labels: tuple[str, ...]

    @property
    def sample(self) -> str:
        """The name by which a query asks for it, of a histogram without its ending."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


@dataclass(slots=True)
class _OneLimit:
    """A limit on calls at once, so that those families come."""

    name: str = "server"
    limit: int = 1
    running: int = 0
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS_S) + 1))
    waited_s: float = 0.0
    refused: dict[str, int] = field(default_factory=dict)
    waiting: int = 0


def families() -> dict[str, Family]:
    """Return every family by its name, also those that only some configurations bring."""
    metrics = Metrics()
    metrics.states.tell = lambda: States({}, True, 0, True)
    metrics.states.look()
    collectors = (Measures(), SlotMetrics(lambda: [_OneLimit()], WAIT_BUCKETS_S), metrics.states)
    found = [
        *_declared(metrics),
        *_declared(metrics.live),
        *(each for one in collectors for each in _collected(one)),
        *_of_the_process(metrics),
    ]
    found += [Family(each["name"], each["type"], each["help"], ()) for each in of_workers(1, 0)]
    return {each.name: each for each in found}


def _declared(metrics: Metrics | LiveMetrics) -> Iterator[Family]:
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            (described,) = one.describe()
            yield Family(described.name, described.type, described.documentation, tuple(one._labelnames))
        elif isinstance(one, tally.Counter | tally.Histogram):
            yield from _collected(one)


def _collected(collector: Collector) -> Iterator[Family]:
    each: Any
    for each in collector.collect():
        yield Family(each.name, each.type, each.documentation, tuple(each._labelnames))


def _of_the_process(metrics: Metrics) -> Iterable[Family]:
    return [
        Family(each.name, each.type, each.documentation, ())
        for each in metrics.registry.collect()
        if each.name.startswith("process_")
    ]

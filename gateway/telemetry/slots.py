"""Limits on calls at once as metrics: read when they are asked for, so that a call pays nothing for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector


class Limited(Protocol):
    """What is told of one limit. `waits` has a count for each bucket, and one for what is longer than all."""

    name: str
    limit: int
    running: int
    waits: list[int]
    waited_s: float

    @property
    def refused(self) -> Mapping[Any, int]: ...

    @property
    def waiting(self) -> int: ...


class SlotMetrics(Collector):
    """`limited` returns the limits there are; their names come from the configuration."""

    def __init__(self, limited: Callable[[], Sequence[Limited]], buckets_s: Sequence[float]) -> None:
        self._limited = limited
        self._bounds = [*(f"{bucket:g}" for bucket in buckets_s), "+Inf"]

    def describe(self) -> list[Any]:
        return []  # so that registering it asks for nothing

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily]:
        limits = self._limited()
        if not limits:
            return
        running = GaugeMetricFamily("gateway_concurrent_calls", "Calls that hold a slot.", labels=("limit",))
        most = GaugeMetricFamily("gateway_concurrent_limit", "Calls that may run at once now.", labels=("limit",))
        waiting = GaugeMetricFamily("gateway_queue_waiting", "Calls that wait for a slot.", labels=("limit",))
        refused = CounterMetricFamily(
            "gateway_queue_refused", "Calls that got no slot, by reason.", labels=("limit", "reason")
        )
        waits = HistogramMetricFamily(
            "gateway_queue_seconds", "How long calls waited for a slot, of those that had to.", labels=("limit",)
        )
        for one in limits:
            running.add_metric((one.name,), one.running)
            most.add_metric((one.name,), one.limit)
            waiting.add_metric((one.name,), one.waiting)
            for reason, count in tuple(one.refused.items()):
                refused.add_metric((one.name, reason), count)
            counts = accumulate(tuple(one.waits))
            waits.add_metric((one.name,), list(zip(self._bounds, counts, strict=True)), one.waited_s)
        yield from (running, most, waiting, refused, waits)

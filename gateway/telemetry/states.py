"""How the gateway stands as metrics: who is served, and whether the stores are there. Looked at when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


@dataclass(frozen=True, slots=True)
class States:
    """`served` has each model of the configuration: whether one of its targets may be asked now. None: not in use."""

    served: Mapping[str, bool]
    is_ledger_here: bool | None
    ledger_waiting_rows: int
    is_redis_here: bool | None


class StateMetrics(Collector):
    """`tell` is set by who knows the configuration in force; until then there is nothing. It asks what belongs to the
    loop, and a registry is rendered in a thread: so `look` comes first, in the loop."""

    def __init__(self) -> None:
        self.tell: Callable[[], States] | None = None
        self._states: States | None = None

    def look(self) -> None:
        """See how it stands now, for the rendering that follows."""
        self._states = self.tell() if self.tell is not None else None

    def describe(self) -> list[Any]:
        return []  # so that registering it asks for nothing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        states = self._states
        if states is None:
            return
        served = GaugeMetricFamily(
            "gateway_model_served", "1, or 0 where none of a model's targets may be asked now.", labels=("model",)
        )
        for model, is_served in states.served.items():
            served.add_metric((model,), is_served)
        yield served
        if states.is_ledger_here is not None:
            yield GaugeMetricFamily(
                "gateway_ledger_up", "1, or 0 while the ledger cannot be written.", states.is_ledger_here
            )
            yield GaugeMetricFamily(
                "gateway_ledger_waiting_rows", "Rows that wait to be written.", states.ledger_waiting_rows
            )
        if states.is_redis_here is not None:
            yield GaugeMetricFamily("gateway_redis_up", "1, or 0 while Redis is away.", states.is_redis_here)

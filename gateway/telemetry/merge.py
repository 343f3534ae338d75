"""Metrics of several processes as those of one: as plain values to send, and merged to be rendered.

Counters and histograms add up, also those of processes that are gone: a counter that falls looks like a restart, and
what scrapes it would count everything once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

Dump = list[dict[str, Any]]  # families: name, type, help, unit, and samples of [name, labels, value]

LASTING = frozenset({"counter", "histogram", "summary"})
# Told by each process of something that all do together, or in which the one that is furthest tells the most.
MOST = frozenset(
    {
        "gateway_config_reloads",
        "gateway_config_reload_duration_seconds",
        "gateway_config_generation",
        "gateway_breaker_state",
        "gateway_model_served",
        "gateway_build",
    }
)
LEAST = frozenset(
    {
        "gateway_config_last_reload_successful",
        "gateway_ledger_up",
        "gateway_redis_up",
        "process_start_time_seconds",
    }
)


def dump(registry: CollectorRegistry) -> Dump:
    """Return what a registry holds now, as values that JSON has."""
    return [
        family(
            metric.name, metric.type, metric.documentation, [[s.name, dict(s.labels), s.value] for s in metric.samples]
        )
        | {"unit": metric.unit}
        for metric in registry.collect()
    ]


def family(name: str, kind: str, said: str, samples: list[list[Any]]) -> dict[str, Any]:
    return {"name": name, "type": kind, "help": said, "unit": "", "samples": samples}


def lasting(given: Dump) -> Dump:
    """Return what stays when a process is gone."""
    return [each for each in given if each["type"] in LASTING]


def merge(dumps: Iterable[Dump]) -> Dump:
    """Return one dump of all, in the order in which families and samples were first seen."""
    families: dict[str, dict[str, Any]] = {}
    values: dict[str, dict[tuple[Any, ...], list[Any]]] = {}
    for each in (each for given in dumps for each in given):
        name = each["name"]
        families.setdefault(name, each)
        found = values.setdefault(name, {})
        for sample, labels, value in each["samples"]:
            key = (sample, *labels.items())
            amount = math.nan if value is None else value  # JSON has no NaN
            if key in found:
                found[key][2] = _both(name, sample, found[key][2], amount)
            else:
                found[key] = [sample, labels, amount]
    return [{**each, "samples": list(values[name].values())} for name, each in families.items()]


class Merged(Collector):
    """A merged dump as what renders a registry wants it."""

    def __init__(self, dumps: Iterable[Dump]) -> None:
        self._dump = merge(dumps)

    def collect(self) -> Iterator[Metric]:
        for each in self._dump:
            metric = Metric(each["name"], each["help"], each["type"], each["unit"])
            for sample, labels, value in each["samples"]:
                metric.add_sample(sample, labels, value)
            yield metric


def _both(name: str, sample: str, one: float, other: float) -> float:
    if name in LEAST or sample.endswith("_created"):
        return min(one, other)
    return max(one, other) if name in MOST else one + other

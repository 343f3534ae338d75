"""Percentiles of one run, and the middle and the spread of several."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that `share` (0 to 1) of them do not exceed. Raises ValueError for no values."""
    if not values:
        raise ValueError("there is nothing to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave: the median, and the quartiles between which half of them lie."""

    median: float
    low: float
    high: float
    rounds: int

    @property
    def iqr(self) -> float:
        return self.high - self.low


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of one value a round. Raises ValueError where there is none."""
    if not values:
        raise ValueError("no round gave a value")
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high, len(values))


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Return for each round the one by the other: they were measured side by side, and what slows both is out."""
    return [a / b for a, b in zip(over, under, strict=True)]

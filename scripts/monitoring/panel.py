"""What a dashboard is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scripts.monitoring.queries import Make

Form = Literal["lines", "stacked", "number", "table", "states"]
Steps = Sequence[tuple[str, float | None]]

GOOD_BAD: Steps = (("green", None), ("red", 1.0))
BAD_GOOD: Steps = (("red", None), ("green", 1.0))


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    queries: Sequence[Make]
    unit: str = "short"  # Grafana's name of it
    form: Form = "lines"
    steps: Steps = ()  # colours and from which value on


@dataclass(frozen=True, slots=True)
class Dashboard:
    name: str  # of its file and address
    title: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

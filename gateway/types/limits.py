"""What may be used: limits as values. `stores/limits` counts by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.types.words import EMPTY

Unit = Literal["requests", "tokens", "characters", "audio_ms"]
Period = Literal["hour", "day", "month", "total"]  # of the calendar, in UTC
Dimension = Literal["key", "tenant", "route", "operation", "model", "provider", "address"]
AwayPolicy = Literal["closed", "local_share", "open"]


@dataclass(frozen=True, slots=True)
class Rate:
    """So many units in any window of so many seconds (a sliding-window counter)."""

    amount: int
    window_s: int

    def __str__(self) -> str:
        name, seconds = next(row for row in _WINDOWS if self.window_s % row[1] == 0)
        multiple = self.window_s // seconds
        return f"{self.amount} per {name}" if multiple == 1 else f"{self.amount} per {multiple} {name}s"


_WINDOWS = (("month", 2_592_000), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True)
class Budget:
    limit_nano_usd: int
    period: Period


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule: whose calls are counted together (`per`), which calls it is for, and how much it lets through."""

    name: str
    per: tuple[Dimension, ...] = ("key",)  # each combination has counters of its own; (): all calls together
    rates: tuple[tuple[Unit, Rate], ...] = ()
    concurrent: int | None = None  # calls at once
    budgets: tuple[Budget, ...] = ()
    only: Mapping[str, tuple[str, ...]] = EMPTY  # dimension -> patterns with `*`; not there: all calls
    while_away: AwayPolicy = "local_share"  # what holds while the store that processes share cannot be reached
    degrade: Mapping[str, str] = EMPTY  # model, or pattern -> the model that serves its calls beyond the budget
    alert_percents: tuple[int, ...] = ()  # of a budget


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many calls one process runs at once, and how many more wait for their turn, and how long."""

    max: int
    min: int | None = None  # None: it is always `max`; else it follows the time that answers take, between the two
    queue: int = 100  # calls that may wait
    max_wait_s: float = 5.0
    is_patient: bool = False  # of a provider: a call waits its turn there though another target has room

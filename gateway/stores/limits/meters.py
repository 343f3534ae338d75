"""What is counted: each rate, budget and number of calls at once of a limit is a meter; a call claims so much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gateway.types import Limit, Period, Unit

Kind = Literal["window", "money", "concurrent"]


@dataclass(frozen=True, slots=True)
class Meter:
    """`amount` is the limit: units, calls, or nano-dollars."""

    id: str  # the same in every process with the same configuration
    kind: Kind
    what: str  # what a message calls it: the unit of a window, budget, concurrent
    amount: int
    limit: Limit
    unit: Unit | None = None  # of a window
    window_s: int = 0
    period: Period = "total"  # of money


class Claim:
    """So much of a meter for one call. `subject` is whose counter: the values of the limit's `per`.

    Made for every request and every meter: a plain class, whose making takes a third of a frozen dataclass's.
    """

    __slots__ = ("amount", "is_soft", "key", "meter", "subject")

    def __init__(self, meter: Meter, subject: str, amount: int, is_soft: bool = False, key: str = "") -> None:
        self.meter = meter
        self.subject = subject
        self.amount = amount
        self.is_soft = is_soft  # counted, and never refused: what is served beyond a budget by a cheaper model
        self.key = key or f"{meter.id}|{subject}"  # given by whoever has it at hand

    def __repr__(self) -> str:
        return f"Claim({self.key!r}, {self.amount})"


@dataclass(slots=True)  # a frozen one takes thrice as long to make, and each meter of each request has one
class State:
    """What is left of a meter for a subject, and after how many seconds all of it would be; None: never by itself.

    `place` is where a claim was granted, for when it is settled: as its counters call it, and for them alone.
    """

    left: int
    reset_s: float | None
    place: Any = None


def meters_of(limit: Limit) -> tuple[Meter, ...]:
    """Return the meters of a limit."""
    meters = [
        Meter(f"{limit.name}|{unit}/{rate.window_s}", "window", unit, rate.amount, limit, unit, rate.window_s)
        for unit, rate in limit.rates
    ]
    if limit.concurrent is not None:
        meters.append(Meter(f"{limit.name}|concurrent", "concurrent", "concurrent", limit.concurrent, limit))
    for budget in limit.budgets:
        name = f"{limit.name}|usd/{budget.period}"
        meters.append(Meter(name, "money", "budget", budget.limit_nano_usd, limit, period=budget.period))
    return tuple(meters)

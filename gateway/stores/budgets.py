"""Money spent per key and period. Neither reserving nor settling awaits, so concurrent calls cannot race past it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Window = Literal["hour", "day", "month", "total"]


@dataclass(frozen=True, slots=True)
class Reservation:
    who: str
    window: Window
    period: str
    nano_usd: int


class Budgets:
    """Spent and reserved nano-dollars of the running period, which is the calendar's, in UTC."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now  # seconds since the epoch
        self._tables: dict[Window, tuple[str, dict[str, int]]] = {}  # -> (period, who -> spent and reserved)

    def reserve(self, who: str, window: Window, limit_nano_usd: int, nano_usd: int) -> Reservation | None:
        """Hold `nano_usd` for a call, or return None where the budget does not cover it."""
        period, table = self._running(window)
        spent = table.get(who, 0)
        if spent >= limit_nano_usd or spent + nano_usd > limit_nano_usd:
            return None
        table[who] = spent + nano_usd
        return Reservation(who, window, period, nano_usd)

    def settle(self, reservation: Reservation, cost_nano_usd: int) -> None:
        """Put what the call cost in the place of what was held; a period that is over is not charged to the next."""
        period, table = self._running(reservation.window)
        if period == reservation.period:
            table[reservation.who] = table.get(reservation.who, 0) - reservation.nano_usd + cost_nano_usd

    def spent(self, who: str, window: Window) -> int:
        """Return what is spent or held in the running period, in nano-dollars."""
        return self._running(window)[1].get(who, 0)

    def resets_in_s(self, window: Window) -> float | None:
        """Return the seconds to the period's end; None where it has none."""
        now = datetime.fromtimestamp(self._now(), UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        day = hour.replace(hour=0)
        match window:
            case "hour":
                end = hour + timedelta(hours=1)
            case "day":
                end = day + timedelta(days=1)
            case "month":
                end = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            case _:
                return None
        return (end - now).total_seconds()

    def _running(self, window: Window) -> tuple[str, dict[str, int]]:
        """The period and what was spent in it. A clock that is set back does not bring an earlier period back."""
        period = self._period(window)
        running = self._tables.get(window)
        if running is None or running[0] < period:
            running = self._tables[window] = (period, {})
        return running

    def _period(self, window: Window) -> str:
        stamp = datetime.fromtimestamp(self._now(), UTC).isoformat()
        return stamp[: {"hour": 13, "day": 10, "month": 7, "total": 0}[window]]

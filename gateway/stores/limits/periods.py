"""The periods of budgets: hours, days and months of the calendar, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from gateway.types import Period

_LENGTHS = {"hour": 13, "day": 10, "month": 7, "total": 0}  # of what tells a period apart: 2026-11-25T13


def name_of(period: Period, now: float) -> str:
    """Return the name of the running period: "2026-11-25T13", "2026-11-25", "2026-11", "" for the only one."""
    return _name_at(period, now // 3600)


@lru_cache(maxsize=64)
def _name_at(period: Period, hour: float) -> str:
    """Periods change at full hours alone."""
    return datetime.fromtimestamp(hour * 3600, UTC).isoformat()[: _LENGTHS[period]]


def began_at(period: Period, now: float) -> float | None:
    """Return when the running period began, in seconds since the epoch; None: it has no beginning."""
    hour = datetime.fromtimestamp(now, UTC).replace(minute=0, second=0, microsecond=0)
    match period:
        case "hour":
            return hour.timestamp()
        case "day":
            return hour.replace(hour=0).timestamp()
        case "month":
            return hour.replace(hour=0, day=1).timestamp()
    return None


def ends_at(period: Period, now: float) -> float | None:
    """Return when the running period ends, in seconds since the epoch; None: it has no end."""
    return _end_of(period, now // 3600)


def ends_in_s(period: Period, now: float) -> float | None:
    """Return the seconds to the end of the running period; None: it has no end."""
    end = ends_at(period, now)
    return None if end is None else end - now


@lru_cache(maxsize=64)
def _end_of(period: Period, hour: float) -> float | None:
    began = began_at(period, hour * 3600)
    if began is None:
        return None
    start = datetime.fromtimestamp(began, UTC)
    match period:
        case "hour":
            end = start + timedelta(hours=1)
        case "day":
            end = start + timedelta(days=1)
        case _:
            end = (start + timedelta(days=32)).replace(day=1)
    return end.timestamp()

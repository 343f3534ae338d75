"""What was used, summed from the days' sums: for `gateway usage`. Blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from gateway.stores.database import at_once
from gateway.stores.database.work import fetch
from gateway.stores.ledger.rows import DAILY_SUMS

# Written out, so that no name that comes from outside stands in a statement.
DIMENSIONS: Mapping[str, str] = MappingProxyType(
    {
        "key": "key",
        "tenant": "tenant",
        "route": "route",
        "operation": "operation",
        "provider": "provider",
        "model": "CASE provider WHEN '' THEN model ELSE provider || '/' || model END",
        "day": "day",
    }
)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line: what it is of, and the sums; money in nano-dollars, audio in seconds."""

    name: str
    sums: Mapping[str, float]


def usage(url: str, by: str, since: str) -> list[UsageRow]:
    """Return the sums by one of DIMENSIONS, from the day `since` ("2026-11-25", UTC) on; "" is from the beginning.

    Raises LedgerAway where there is no ledger, KeyError for another dimension.
    """
    return summed(url, DIMENSIONS[by], "day >= $1", (since,), is_by_day=by == "day")


def summed(url: str, what: str, where: str, values: Sequence[str], *, is_by_day: bool) -> list[UsageRow]:
    """Return the sums of the days' sums by `what`, one of DIMENSIONS' values, where a condition of ours holds."""
    sums = ", ".join(_sum(name) for name in DAILY_SUMS)
    order = "1" if is_by_day else "SUM(cost_nano_usd) DESC, 1"
    statement = f"SELECT {what}, {sums} FROM usage_daily WHERE {where} GROUP BY 1 ORDER BY {order}"
    found = at_once(url, lambda database: database.run(fetch(statement, *values)), read_only=True)
    return [UsageRow(name, dict(zip(DAILY_SUMS, row, strict=True))) for name, *row in found]


def _sum(name: str) -> str:
    """A sum as whole a number as what it sums: one database would make a decimal of it."""
    return f"CAST(SUM({name}) AS {'DOUBLE PRECISION' if name == 'audio_seconds' else 'BIGINT'})"

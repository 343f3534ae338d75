"""What the ledger says was used between two moments, by whom and of what: what limits begin with at a start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.stores.database.work import Work, fetch
from gateway.stores.ledger.entries import Entry
from gateway.stores.ledger.rows import DAY_S, day_of

DIMENSIONS = ("key", "tenant", "route", "operation", "requested_model", "provider")
AMOUNTS = ("requests", "tokens", "characters", "audio_ms", "cost_nano_usd")

_FIRST, _LAST = "", "9999"  # days before and after all others


@dataclass(frozen=True, slots=True)
class Used:
    """Sums of the requests that are alike in DIMENSIONS."""

    values: Mapping[str, str]
    amounts: Mapping[str, int]


def used(since: float | None, until: float | None) -> Work[list[Used]]:
    """Return the sums of requests that began at `since` or later, and before `until`; None: however early, or late.

    Whole days are read from their sums, which stay when rows are deleted.
    """
    names = ", ".join(DIMENSIONS)
    if all(moment is None or moment % DAY_S == 0 for moment in (since, until)):
        count, table, column = "SUM(requests)", "usage_daily", "day"
        between: tuple[str | float, ...] = (
            _FIRST if since is None else day_of(since),
            _LAST if until is None else day_of(until),
        )
    else:
        count, table, column = "COUNT(*)", "requests", "started_at"
        between = (-1.0 if since is None else since, 1e18 if until is None else until)
    sums = (count, "SUM(input_tokens + output_tokens)", "SUM(characters)", "SUM(audio_seconds)", "SUM(cost_nano_usd)")
    found = yield from fetch(
        f"SELECT {names}, {', '.join(sums)} FROM {table} WHERE {column} >= $1 AND {column} < $2 GROUP BY {names}",
        *between,
    )
    return [_used(tuple(row)) for row in found]


def used_by(entries: Iterable[Entry]) -> list[Used]:
    """Return the same of rows that are at hand, each for itself."""
    return [
        _used(
            (
                *(getattr(entry, name) for name in DIMENSIONS),
                1,
                entry.input_tokens + entry.output_tokens,
                entry.characters,
                entry.audio_seconds,
                entry.cost_nano_usd,
            )
        )
        for entry in entries
    ]


def _used(row: tuple[object, ...]) -> Used:
    values = dict(zip(DIMENSIONS, (str(value) for value in row), strict=False))
    requests, tokens, characters, audio_s, cost = (float(str(value or 0)) for value in row[len(DIMENSIONS) :])
    amounts = (requests, tokens, characters, audio_s * 1000, cost)
    return Used(values, {name: round(amount) for name, amount in zip(AMOUNTS, amounts, strict=True)})

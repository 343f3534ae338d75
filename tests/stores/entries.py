"""Entries of a ledger to test with, and what came of them in a database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.stores.database import at_once
from gateway.stores.database.work import fetch
from gateway.stores.ledger import Entry
from gateway.stores.ledger.rows import DAILY_SUMS, daily
from gateway.stores.ledger.writer import COUNTER_BITS

NOON = 1_795_608_000.0  # 2026-11-25T12:00:00Z


def entry(number: int = 1, instance: int = 1, **more: object) -> Entry:
    plain = Entry(
        id=(instance << COUNTER_BITS) | number,
        instance=instance,
        request_id=f"request-{number}",
        started_at=NOON,
        key="key-1",
        tenant="tenant-1",
        route="POST /v1/chat/completions",
        operation="chat",
        requested_model="fast",
        reserved_nano_usd=5_000,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def done(number: int = 1, instance: int = 1, **more: object) -> Entry:
    values = {"state": "settled", "provider": "vendor", "model": "m", "status": 200, "cost_nano_usd": 700, **more}
    return entry(number, instance, **values)


def asked(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    found = at_once(url, lambda database: database.run(fetch(statement, *values)), read_only=True)
    return [tuple(row) for row in found]


def rows(url: str, what: str = "state, cost_nano_usd") -> list[tuple[Any, ...]]:
    return asked(url, f"SELECT {what} FROM requests ORDER BY id")


def sums_are_those_of_the_rows(url: str) -> bool:
    """Whether the days' sums are what one gets who adds up all rows."""
    kept = [Entry(*row) for row in asked(url, f"SELECT {', '.join(Entry.__dataclass_fields__)} FROM requests")]
    columns = ", ".join(
        ("day", "key", "tenant", "route", "operation", "requested_model", "provider", "model", *DAILY_SUMS)
    )
    told = asked(url, f"SELECT {columns} FROM usage_daily")
    return sorted(told) == sorted(tuple(row) for row in daily(one for one in kept if one.state != "open"))

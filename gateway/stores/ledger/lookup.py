"""Rows of the ledger that are looked up one by one, and sums for one tenant: for the admin API. Blocks."""

from __future__ import annotations

from typing import Any

from gateway.stores.database import Database, at_once
from gateway.stores.database.work import fetch, sound_text
from gateway.stores.ledger.entries import COLUMNS, Entry
from gateway.stores.ledger.journal import Journals
from gateway.stores.ledger.rows import born_at
from gateway.stores.ledger.usage import DIMENSIONS, UsageRow, summed

MAX_ROWS = 100  # a client may send the same request id as often as it likes


def requests_by_id(url: str, request_id: str, tenant: str | None) -> list[Entry]:
    """Return the newest requests with this id, of one tenant or of any; at most MAX_ROWS. Raises LedgerAway."""
    where, values = _of_tenant("request_id = $1", request_id, tenant)
    statement = f"SELECT {', '.join(COLUMNS)} FROM requests WHERE {where} ORDER BY started_at DESC LIMIT {MAX_ROWS}"

    async def look(database: Database) -> list[Entry]:
        noted = await _noted(database)  # first: what is not there any more is in the database by then
        found = {row[0]: Entry(*row) for row in await database.run(fetch(statement, *values))}
        for entry in noted:
            is_asked_for = entry.request_id == request_id and tenant in (None, entry.tenant)
            if is_asked_for and (entry.id not in found or found[entry.id].state == "open"):
                found[entry.id] = entry
        return sorted(found.values(), key=lambda entry: entry.started_at, reverse=True)[:MAX_ROWS]

    return at_once(url, look, read_only=True)


def usage_of(url: str, by: str, since: str, tenant: str | None) -> list[UsageRow]:
    """Return the sums that `usage` returns, of one tenant or of all. Raises LedgerAway, KeyError."""
    where, values = _of_tenant("day >= $1", since, tenant)
    return summed(url, DIMENSIONS[by], where, values, is_by_day=by == "day")


async def _noted(database: Database) -> list[Entry]:
    """Return what living processes have not brought into the database yet: some milliseconds' rows."""
    if database.file is None or not database.file.exists():
        return []
    journals = Journals(database.file, await database.run(born_at()))
    return [entry for instance in journals.writers() for entry in journals.left(instance)]


def _of_tenant(where: str, value: str, tenant: str | None) -> tuple[str, tuple[Any, ...]]:
    value = sound_text(value)
    return (where, (value,)) if tenant is None else (f"{where} AND tenant = $2", (value, tenant))

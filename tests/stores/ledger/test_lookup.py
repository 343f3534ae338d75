"""Rows by request id and sums by tenant: somebody else's are never among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.stores.database import Database, LedgerAway, at_once
from gateway.stores.ledger import Entry, usage
from gateway.stores.ledger.lookup import MAX_ROWS, requests_by_id, usage_of
from gateway.stores.ledger.rows import write

NOW = 1_795_608_000.0


def keep(url: str, entries: Sequence[Entry]) -> None:
    async def kept(database: Database) -> None:
        await database.migrate()
        await database.run(write(database, [], entries))

    at_once(url, kept)


@pytest.fixture
def ledger(url: str) -> str:
    """A ledger of three settled requests, two of them with the same id."""
    one = Entry(1, 1, "req-1", NOW, "key_a", "acme", "POST /x", "chat", "m", 9, "settled", cost_nano_usd=5)
    keep(url, [one, replace(one, id=2, tenant="other", started_at=NOW + 1), replace(one, id=3, request_id="req-2")])
    return url


def test_a_request_is_found_by_id_and_tenant_the_newest_first(ledger: str) -> None:
    assert [row.id for row in requests_by_id(ledger, "req-1", None)] == [2, 1]
    assert [row.id for row in requests_by_id(ledger, "req-1", "acme")] == [1]
    assert requests_by_id(ledger, "req-1", "nobody") == requests_by_id(ledger, "' OR 1=1 --", None) == []


@pytest.mark.parametrize("count", [MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1])
def test_so_many_rows_of_one_id_are_told(url: str, count: int) -> None:
    row = Entry(0, 1, "req", NOW, "k", "acme", "POST /x", "chat", "m", 0, "settled", cost_nano_usd=0)
    keep(url, [replace(row, id=number, started_at=NOW + number) for number in range(count)])
    found = requests_by_id(url, "req", "acme")
    assert [entry.id for entry in found] == list(range(count))[::-1][:MAX_ROWS]


def test_sums_are_those_of_one_tenant_or_of_all(ledger: str) -> None:
    assert usage_of(ledger, "tenant", "", None) == usage(ledger, "tenant", "")
    (row,) = usage_of(ledger, "key", "", "acme")
    assert (row.name, row.sums["requests"], row.sums["cost_nano_usd"]) == ("key_a", 2, 10)
    assert usage_of(ledger, "key", "", "nobody") == usage_of(ledger, "key", "2999-01-01", "acme") == []
    with pytest.raises(KeyError):
        usage_of(ledger, "1; DROP TABLE requests", "", None)


def test_a_ledger_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(LedgerAway, match="cannot be opened"):
        requests_by_id(f"sqlite:{tmp_path}/none.db", "req", None)

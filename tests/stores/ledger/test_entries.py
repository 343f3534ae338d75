"""A receipt becomes a row: each fact stands in the column of its name."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from gateway.stores.ledger import Entry, settled
from gateway.stores.ledger.entries import COLUMNS
from gateway.types import Attempt, Receipt, Units
from tests.stores.entries import entry

FIRST = Units(1, 2, 3, 4, 5, 6, 7.5)
SECOND = Units(10, 20, 30, 40, 50, 60, 70.25)


def receipt(*attempts: Attempt) -> Receipt:
    return Receipt("request-1", 10.0, operation="chat", model="smart", cache="miss", attempts=list(attempts))


def test_every_column_is_the_fact_of_its_name() -> None:
    begun = entry(reserved_nano_usd=9, tags='{"team": "a"}')
    asked = Attempt("a/first", "upstream_error", status=502, started_s=10.5, ended_s=11, units=FIRST, cost_nano_usd=3)
    answered = Attempt(
        "b/second/part", "ok", "failover", status=200, started_s=11, first_content_s=11.2504, ended_s=12,
        units=SECOND, is_estimated=True, cost_nano_usd=4,
    )  # fmt: skip
    row = asdict(settled(begun, receipt(asked, answered), 207, 12.3456784))
    assert tuple(row) == COLUMNS
    assert row.pop("attempts").startswith(
        '[{"target":"a/first","outcome":"upstream_error","why":"first","operation":"chat"'
    )
    for name in ("id", "instance", "request_id", "started_at", "key", "tenant", "route", "operation", "tags"):
        assert row.pop(name) == getattr(begun, name)
    assert row == {
        "requested_model": "smart",
        "reserved_nano_usd": 9,
        "state": "settled",
        "provider": "b",
        "model": "second/part",
        "status": 207,
        "outcome": "ok",
        "cache": "miss",
        "input_tokens": 11,
        "cached_input_tokens": 22,
        "cache_write_tokens": 33,
        "output_tokens": 44,
        "reasoning_tokens": 55,
        "characters": 66,
        "audio_seconds": 77.75,
        "cost_nano_usd": 7,
        "is_estimated": True,
        "first_content_ms": 1250.4,
        "total_ms": 2345.678,
    }


def test_who_never_came_to_a_vendor_used_nothing() -> None:
    row = settled(entry(), receipt(), 429, 10.0)
    assert (row.provider, row.model, row.outcome, row.first_content_ms, row.total_ms) == ("", "", "", None, 0.0)
    assert (row.input_tokens, row.audio_seconds, row.cost_nano_usd, row.is_estimated) == (0, 0.0, 0, False)
    assert row.attempts == "[]"


@pytest.mark.parametrize(
    ("attempts", "cost_nano_usd"),
    [
        ([Attempt("a/m", units=FIRST, cost_nano_usd=5)], 5),
        ([Attempt("a/m", units=FIRST)], None),
        ([Attempt("a/m"), Attempt("b/m", units=FIRST, cost_nano_usd=5)], 5),  # the first used nothing
        ([Attempt("a/m", units=FIRST), Attempt("b/m", units=FIRST, cost_nano_usd=5)], None),
        ([Attempt("a/m", cost_nano_usd=2), Attempt("b/m", units=FIRST, cost_nano_usd=5)], 7),
    ],
)
def test_a_cost_is_unknown_where_something_that_has_no_price_was_used(
    attempts: list[Attempt], cost_nano_usd: int | None
) -> None:
    row: Entry = settled(entry(), receipt(*attempts), 200, 12.0)
    assert row.cost_nano_usd == cost_nano_usd

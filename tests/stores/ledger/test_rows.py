"""The ledger's rows: a batch is written whole or not at all, counts once, and what the dead left open goes by rule."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.stores.database import Database, LedgerAway, open_database
from gateway.stores.ledger import Entry, usage
from gateway.stores.ledger import rows as ledger_rows
from gateway.stores.ledger.rows import MOST, MOST_CHARS, counts, drop_before, open_instances, recover, write
from gateway.stores.ledger.used import used
from tests.stores.entries import NOON, asked, done, entry, rows, sums_are_those_of_the_rows

HOSTILE = ["x'); DROP TABLE requests; --", '"; DELETE FROM keys', "$1", "?", "%s", "a\0b", "\ud800", "ö" * 9_999]


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    await database.migrate()
    yield database
    await database.aclose()


async def put(database: Database, opened: list[Entry], settled: list[Entry]) -> None:
    await database.run(write(database, opened, settled))


async def test_a_row_is_there_before_and_has_its_cost_after(database: Database, url: str) -> None:
    await put(database, [entry()], [])
    assert rows(url) == [("open", None)]
    await put(database, [], [done()])
    assert rows(url) == [("settled", 700)]
    assert sums_are_those_of_the_rows(url)


async def test_a_batch_with_a_fault_leaves_nothing_behind(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(database, [entry(1)], [])
    monkeypatch.setattr(ledger_rows, "_ADD", "nonsense")
    with pytest.raises(LedgerAway):
        await put(database, [entry(2)], [done(3)])
    assert rows(url, "id") == [(entry(1).id,)]
    assert usage(url, "key", "") == []


async def test_a_batch_that_is_written_twice_counts_once(database: Database, url: str) -> None:
    batch = [entry(1), entry(2), entry(4)], [done(1), done(2, audio_seconds=1.5), done(3)]
    await put(database, *batch)
    await put(database, *batch)
    assert rows(url) == [*[("settled", 700)] * 3, ("open", None)]
    assert sums_are_those_of_the_rows(url)


async def test_what_a_dead_process_left_open_is_charged_what_was_reserved(database: Database, url: str) -> None:
    await put(database, [entry(1), entry(2), entry(1, instance=2)], [])
    assert sorted(await database.run(open_instances())) == [1, 2]
    assert len(await database.run(recover(database, [1]))) == 2
    assert rows(url) == [("crashed", 5_000), ("crashed", 5_000), ("open", None)]
    [line] = usage(url, "key", "")
    assert (line.sums["requests"], line.sums["cost_nano_usd"], line.sums["estimated"]) == (2, 10_000, 2)
    assert await database.run(recover(database, [1])) == []  # once


async def test_who_was_taken_for_dead_and_settles_corrects_the_row_and_the_sums(database: Database, url: str) -> None:
    await put(database, [entry(1), entry(2)], [])
    await database.run(recover(database, [1]))
    await put(database, [entry(1)], [done(1)])
    assert rows(url) == [("settled", 700), ("crashed", 5_000)]
    assert sums_are_those_of_the_rows(url)
    await put(database, [], [done(2)])
    assert [(line.name, line.sums["requests"]) for line in usage(url, "model", "")] == [("vendor/m", 2)]
    assert sums_are_those_of_the_rows(url)


async def test_the_days_sums_are_those_of_the_rows(database: Database, url: str) -> None:
    batch = [done(n, cost_nano_usd=n, input_tokens=2 * n, started_at=NOON + n * 3600) for n in range(1, 25)]
    await put(database, [], batch)
    assert sum(line.sums["cost_nano_usd"] for line in usage(url, "day", "")) == sum(range(1, 25))
    assert [line.name for line in usage(url, "day", "")] == ["2026-11-25", "2026-11-26"]
    assert [line.sums["input_tokens"] for line in usage(url, "tenant", "2026-11-26")] == [2 * sum(range(12, 25))]
    assert sums_are_those_of_the_rows(url)


async def test_an_unknown_cost_is_counted_and_not_taken_for_nothing(database: Database, url: str) -> None:
    await put(database, [], [done(1, cost_nano_usd=None), done(2, status=502, cost_nano_usd=0)])
    [line] = usage(url, "model", "")
    assert (line.name, line.sums["unpriced"], line.sums["errors"], line.sums["requests"]) == ("vendor/m", 1, 1, 2)


@pytest.mark.parametrize(
    ("since", "until", "requests"),
    [
        (NOON, None, 4),
        (NOON, NOON + 60, 3),
        (NOON - 43_200, None, 5),
        (None, None, 5),
        (NOON - 43_200, NOON + 43_200, 5),
    ],
)
async def test_what_was_used_counts_from_a_moment_to_another(
    database: Database, since: float | None, until: float | None, requests: int
) -> None:
    """Noon is within a day, the others are where days begin."""
    before, at = done(1, started_at=NOON - 0.001), done(2, input_tokens=5, output_tokens=2, audio_seconds=0.5)
    await database.run(write(database, [], [before, at, done(3, key="b", cost_nano_usd=None)]))
    await database.run(write(database, [], [done(4, key="c", started_at=NOON + 60), done(5, requested_model="smart")]))
    found = await database.run(used(since, until))
    assert sum(row.amounts["requests"] for row in found) == requests
    smart = next(row for row in found if row.values["requested_model"] == "smart")
    assert smart.amounts == {"requests": 1, "tokens": 0, "characters": 0, "audio_ms": 0, "cost_nano_usd": 700}
    assert next(row for row in found if row.values["key"] == "b").amounts["cost_nano_usd"] == 0
    fast = [row for row in found if row.values["key"] == "key-1" and row.values["requested_model"] == "fast"]
    assert [(row.amounts["tokens"], row.amounts["audio_ms"]) for row in fast] == [(7, 500)]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_any_text_is_a_value_and_never_part_of_a_statement(database: Database, url: str, text: str) -> None:
    await put(database, [entry(1, requested_model=text)], [done(2, key=text, request_id=text, outcome=text)])
    [line] = usage(url, "key", "")
    assert line.name[:1] in (text[:1], "?")
    assert len(line.name) <= MOST_CHARS
    assert await database.run(counts()) == (2, 1)
    with pytest.raises(KeyError):
        usage(url, "1; DROP TABLE requests", "")


@pytest.mark.parametrize(("claimed", "kept"), [(MOST - 1, MOST - 1), (MOST, MOST), (MOST + 1, MOST), (10**30, MOST)])
async def test_a_number_that_no_database_holds_does_not_stop_the_ledger(
    database: Database, url: str, claimed: int, kept: int
) -> None:
    await put(database, [], [done(1, input_tokens=claimed)])
    assert rows(url, "input_tokens") == [(kept,)]


async def test_rows_are_deleted_before_a_moment_and_their_sums_stay(database: Database, url: str) -> None:
    moments = (NOON - 0.001, NOON, NOON + 0.001)
    await put(database, [entry(9, started_at=NOON - 1)], [done(n, started_at=at) for n, at in enumerate(moments)])
    assert await database.run(drop_before(NOON, 10)) == 1
    assert rows(url, "started_at, state") == [(NOON, "settled"), (NOON + 0.001, "settled"), (NOON - 1, "open")]
    assert [line.sums["requests"] for line in usage(url, "key", "")] == [3]


@pytest.mark.parametrize(("there", "deleted"), [(2, 2), (3, 3), (4, 3)])
async def test_no_more_rows_are_deleted_at_once_than_asked(database: Database, there: int, deleted: int) -> None:
    await put(database, [], [done(n) for n in range(there)])
    assert await database.run(drop_before(NOON + 1, 3)) == deleted


async def test_every_column_of_an_entry_is_a_column_of_the_table(database: Database, url: str) -> None:
    await put(database, [], [done(1, audio_seconds=0.25, first_content_ms=1.5, attempts='[{"target": "vendor/m"}]')])
    [row] = asked(url, "SELECT * FROM requests")
    assert Entry(*row) == done(1, audio_seconds=0.25, first_content_ms=1.5, attempts='[{"target": "vendor/m"}]')

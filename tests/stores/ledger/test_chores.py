"""Between two batches: rows that are too old are deleted in pieces, and chores fall due again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.stores.database import Database, open_database
from gateway.stores.ledger import Entry, Ledger, chores, usage
from gateway.stores.ledger.chores import Chores
from gateway.stores.ledger.rows import DAY_S, write
from tests.stores.entries import NOON, done, rows

KEPT_DAYS = 90


async def nobody(crashed: list[Entry]) -> None:
    assert crashed == []


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    await database.migrate()
    yield database
    await database.aclose()


async def test_a_row_is_deleted_when_it_is_older_than_it_is_kept(database: Database, url: str) -> None:
    ages_s = (KEPT_DAYS * DAY_S + 1, KEPT_DAYS * DAY_S, KEPT_DAYS * DAY_S - 1)
    batch = [done(number, started_at=NOON - age_s) for number, age_s in enumerate(ages_s)]
    await database.run(write(database, [], batch))
    assert await Chores(database, KEPT_DAYS, nobody).retain(NOON) == 1
    assert rows(url, "started_at") == [(NOON - age_s,) for age_s in ages_s[1:]]
    assert sum(line.sums["requests"] for line in usage(url, "day", "")) == 3


@pytest.mark.parametrize(("old", "is_due_at_once"), [(4, False), (5, True), (6, True)])
async def test_where_there_may_be_more_it_goes_on_after_the_next_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch, old: int, is_due_at_once: bool
) -> None:
    monkeypatch.setattr(chores, "RETAIN_ROWS", 5)
    await database.run(write(database, [], [done(number, started_at=0.0) for number in range(old)]))
    work = Chores(database, 1, nobody)
    assert work.due_in_s == 0
    await work.do()
    assert (work.due_in_s == 0) is is_due_at_once
    await work.do()
    assert 0 < work.due_in_s <= chores.RECOVER_EVERY_S


async def test_old_rows_go_at_a_start_while_new_ones_are_written(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "RETAIN_ROWS", 7)
    old = [done(number, instance=99, started_at=time.time() - 2 * DAY_S) for number in range(50)]
    await database.run(write(database, [], old))
    ledger = Ledger()
    await ledger.start(url, retention_days=1)
    ledger.settle(done(1, instance=98, started_at=time.time()))
    async with asyncio.timeout(5):
        while len(await asyncio.to_thread(rows, url)) != 1:
            await asyncio.sleep(0.02)
    await ledger.aclose()
    assert len(rows(url)) == 1
    assert sum(line.sums["requests"] for line in usage(url, "day", "")) == 51

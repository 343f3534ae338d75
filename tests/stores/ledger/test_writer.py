"""Rows are written in company and waited for; while the database is away they are kept, none is lost or doubled."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import LedgerFull
from gateway.stores.ledger import Entry, Ledger, usage, writer
from gateway.stores.ledger.lookup import requests_by_id
from tests.stores.entries import NOON, done, entry, rows, sums_are_those_of_the_rows


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Ledger]:
    ledger = Ledger()
    await ledger.start(url, retention_days=36_500)
    try:
        yield ledger
    finally:
        await ledger.aclose()


def fresh(ledger: Ledger, **more: object) -> Entry:
    number, instance = ledger.numbered()
    return replace(entry(), id=number, instance=instance, **more)  # type: ignore[arg-type]


async def test_a_row_is_there_when_open_returns(url: str) -> None:
    async with running(url) as ledger:
        row = fresh(ledger)
        await ledger.open(row)
        assert requests_by_id(url, row.request_id, None) == [row]


async def test_whoever_opens_does_not_wait_for_settlements_to_gather(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LINGER_S", 600.0)
    monkeypatch.setattr(writer, "WAIT_S", 600.0)
    async with running(url) as ledger, asyncio.timeout(20):
        ledger.settle(done(1, instance=77))
        await asyncio.sleep(0.05)  # it gathers
        row = fresh(ledger, request_id="mine")
        await ledger.open(row)
        assert requests_by_id(url, "mine", None) == [row]


async def test_a_thousand_rows_at_once_are_each_there_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_BATCH", 300)
    async with running(url) as ledger:

        async def one() -> None:
            row = fresh(ledger)
            await ledger.open(row)
            ledger.settle(replace(done(), id=row.id, instance=row.instance))

        await asyncio.gather(*(one() for _ in range(1_000)))
    assert rows(url) == [("settled", 700)] * 1_000
    [line] = usage(url, "key", "")
    assert (line.sums["requests"], line.sums["cost_nano_usd"]) == (1_000, 700_000)
    assert sums_are_those_of_the_rows(url)


async def test_a_request_that_is_given_up_while_it_waits_has_its_row_all_the_same(url: str) -> None:
    async with running(url) as ledger:
        row = fresh(ledger)
        waiting = asyncio.create_task(ledger.open(row))
        await asyncio.sleep(0)
        waiting.cancel()
        ledger.settle(replace(done(status=499), id=row.id, instance=row.instance))
    assert rows(url, "state, status") == [("settled", 499)]


async def test_while_the_file_is_locked_requests_are_served_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.stores.database.sqlite.BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(writer, "WAIT_S", 0.05)
    path = tmp_path / "l.db"
    caplog.set_level(logging.WARNING, "gateway")
    async with running(f"sqlite:{path}") as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(20):
            row = fresh(ledger)
            await ledger.open(row)
            ledger.settle(replace(done(), id=row.id, instance=row.instance))
        async with asyncio.timeout(5):
            while not ledger.is_away:
                await asyncio.sleep(0.01)
        other.execute("ROLLBACK")
        other.close()
    assert rows(f"sqlite:{path}") == [("settled", 700)] * 20
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, told  # that it is away, and that it is back: not a line a request
    assert "locked" in told[0]
    assert "nothing is lost" in told[1]


async def test_nobody_waits_for_a_commit_longer_than_agreed_whoever_waits_with_him(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.database.sqlite.BUSY_TIMEOUT_S", 30.0)
    monkeypatch.setattr(writer, "WAIT_S", 0.05)
    path = tmp_path / "l.db"
    async with running(f"sqlite:{path}") as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(5.0):
            for _ in range(4):  # the first is being written, the others gather for the batch after it, one by one
                await ledger.open(fresh(ledger))
            await asyncio.gather(*(ledger.open(fresh(ledger)) for _ in range(4)))
        assert ledger.waiting == 8
        other.execute("ROLLBACK")
        other.close()
    assert len(rows(f"sqlite:{path}")) == 8


@pytest.mark.parametrize(("waiting", "is_served"), [(2, True), (3, False), (4, False)])
async def test_no_more_rows_are_kept_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: int, is_served: bool
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    async with running(f"sqlite:{tmp_path / 'l.db'}") as ledger:
        for _ in range(waiting):  # no await between: none of them is written yet
            ledger.settle(fresh(ledger, state="settled"))
        if is_served:
            await ledger.open(fresh(ledger))
        else:
            with pytest.raises(LedgerFull):
                await ledger.open(fresh(ledger))


async def test_a_ledger_that_was_never_started_is_off_and_closes() -> None:
    ledger = Ledger()
    assert not ledger.is_on
    await ledger.aclose()


async def test_a_flush_waits_until_what_was_settled_is_written(url: str) -> None:
    async with running(url) as ledger:
        await ledger.flush()  # nothing to wait for
        for number in range(1, 50):
            ledger.settle(replace(done(), id=number))
        await ledger.flush()
        [found] = await ledger.used(NOON)
        assert (found.amounts["requests"], found.amounts["cost_nano_usd"]) == (49, 49 * 700)


async def test_what_is_read_as_of_a_moment_has_what_was_settled_before_it_and_nothing_else(url: str) -> None:
    async with running(url) as ledger:
        settled = 0
        marked: list[int] = []

        async def settle_on() -> None:
            nonlocal settled
            while True:
                row = fresh(ledger)
                ledger.settle(replace(done(), id=row.id, instance=row.instance))
                settled += 1
                await asyncio.sleep(0.0005)  # no more than is written, however busy the machine is

        settling = asyncio.create_task(settle_on())
        for _ in range(3):
            await asyncio.sleep(0.02)
            async with ledger.as_of(lambda: marked.append(settled)):
                await asyncio.sleep(0.02)
                [found] = await ledger.used(NOON)
            assert found.amounts["requests"] == marked[-1] < settled
        settling.cancel()
    assert len(rows(url)) == settled


async def test_a_reader_that_gives_up_does_not_stop_the_writer(tmp_path: Path) -> None:
    async with running(f"sqlite:{tmp_path / 'l.db'}") as ledger:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), ledger.as_of(lambda: None):
                raise AssertionError
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), ledger.as_of(lambda: None):
                await asyncio.sleep(5)
        await ledger.open(fresh(ledger))
        await ledger.flush()
        assert ledger.waiting == 0

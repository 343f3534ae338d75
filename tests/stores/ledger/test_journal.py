"""What the database does not have yet is in a file when the call returns; a dead process's comes into the database."""

from __future__ import annotations

import asyncio
import logging
import resource
import sqlite3
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import json
from gateway.stores.ledger import LedgerAway, chores, journal, writer
from gateway.stores.ledger.entries import VALUES
from gateway.stores.ledger.journal import Journals
from gateway.stores.ledger.lookup import requests_by_id
from tests.harness import ROOT
from tests.stores.entries import done, entry, rows, sums_are_those_of_the_rows
from tests.stores.ledger.test_writer import fresh, running

BORN = 1_795_608_000_000_000


@pytest.fixture
def journals(tmp_path: Path) -> Journals:
    return Journals(tmp_path / "what? 100% #1.db", BORN)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


def notes(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if "-ahead-" in file.name)


def test_a_request_is_left_once_as_far_as_it_had_come(journals: Journals) -> None:
    kept = journals.begin(7)
    kept.note(entry(1))
    kept.note(entry(2))
    kept.turn()
    kept.note(done(1))
    assert journals.writers() == [7]
    assert journals.left(7) == [done(1), entry(2)]
    journals.remove(7)
    assert journals.writers() == []
    assert journals.left(7) == []


def test_what_was_noted_before_the_last_turn_is_forgotten_and_nothing_else(journals: Journals) -> None:
    kept = journals.begin(1)
    for number in range(5):
        kept.note(entry(2 * number))
        kept.turn()
        kept.note(entry(2 * number + 1))
        kept.forget()
        assert [each.id for each in journals.left(1)] == [entry(2 * number + 1).id]


def test_a_settlement_is_not_undone_by_an_opening_in_the_other_file(journals: Journals) -> None:
    kept = journals.begin(1)
    kept.turn()
    kept.note(entry(1))
    kept.turn()
    kept.note(done(1))
    assert journals.left(1) == [done(1)]


def test_a_note_that_was_being_made_when_its_process_died_is_none(
    journals: Journals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = journals.begin(1)
    kept.note(entry(1))
    monkeypatch.setattr("gateway.stores.ledger.journal._END", struct.Struct("<0Q"))  # the last step does not happen
    with pytest.raises(struct.error):
        kept.note(entry(2))
    monkeypatch.undo()
    assert journals.left(1) == [entry(1)]
    (tmp_path / f"what? 100% #1.db-ahead-{BORN}-2a").write_bytes(b"")  # it died as it began
    assert journals.left(2) == []


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_file_grows_where_its_room_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    size = len(json.dumps(VALUES(entry(1)))) + 1
    monkeypatch.setattr(journal, "ROOM_BYTES", 8 + 2 * size + more)
    kept = Journals(tmp_path / "l.db", BORN).begin(1)
    for number in (1, 2):
        kept.note(entry(number))
    [file] = [file for file in tmp_path.iterdir() if file.name.endswith("1a")]
    assert (file.stat().st_size > 8 + 2 * size + more) is (more < 0)
    assert len(Journals(tmp_path / "l.db", BORN).left(1)) == 2


def test_what_a_long_absence_took_is_given_back(journals: Journals, tmp_path: Path) -> None:
    kept = journals.begin(1)
    count = 0
    while (tmp_path / f"what? 100% #1.db-ahead-{BORN}-1a").stat().st_size <= journal.GROWTH_BYTES:
        count += 1
        kept.note(entry(count))
    assert len(journals.left(1)) == count
    kept.turn()
    kept.forget()
    assert {file.stat().st_size for file in tmp_path.iterdir()} == {journal.ROOM_BYTES}
    kept.turn()
    kept.note(entry(1))
    assert journals.left(1) == [entry(1)]


def test_notes_beside_another_database_or_of_one_that_was_here_before_are_nobodys(tmp_path: Path) -> None:
    for database, born in (("a.db", BORN + 1), ("a.db-ahead-1.db", BORN), ("b.db", BORN)):
        Journals(tmp_path / database, born).begin(3).note(entry())
    (tmp_path / f"a.db-ahead-{BORN}-3a.old").write_text("a copy of somebody's")
    assert Journals(tmp_path / "a.db", BORN).writers() == []


def test_texts_that_no_file_can_hold_are_noted_as_the_database_has_them(journals: Journals) -> None:
    journals.begin(1).note(entry(requested_model="half a pair: \ud800"))
    assert [each.requested_model for each in journals.left(1)] == ["half a pair: ?"]


@contextmanager
def no_larger_files_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_without_room_is_named(journals: Journals, tmp_path: Path) -> None:
    with no_larger_files_than(100), pytest.raises(LedgerAway, match=r"1a cannot be written: there is no room"):
        journals.begin(1)
    with pytest.raises(LedgerAway, match=r"none/l\.db-ahead-\d+-1a cannot be written: No such file or directory"):
        Journals(tmp_path / "none" / "l.db", BORN).begin(1)


async def test_requests_are_served_on_where_no_note_can_be_made(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "ROOM_BYTES", 16)
    caplog.set_level(logging.WARNING, "gateway")
    async with running(f"sqlite:{path}") as ledger:
        row = fresh(ledger)
        with no_larger_files_than(16):
            await ledger.open(row)
            ledger.settle(replace(done(), id=row.id, instance=row.instance))
        await ledger.flush()
        assert rows(f"sqlite:{path}") == [("settled", 700)]
    assert "-1a cannot be written: File too large; requests are served on" in caplog.text


async def test_a_process_killed_as_soon_as_it_was_told_loses_nothing(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.stores.ledger.crashing", f"sqlite:{path}", "300", "40", "at once",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"told\n"
    process.kill()
    await process.wait()
    assert notes(path) != []
    async with running(f"sqlite:{path}") as ledger:
        assert len(ledger.recovered) == 40
    assert sorted(rows(f"sqlite:{path}")) == [("crashed", 5_000)] * 40 + [("settled", 700)] * 260
    assert sums_are_those_of_the_rows(f"sqlite:{path}")
    assert notes(path) == []


async def test_a_living_process_takes_over_what_a_dead_one_had_noted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "RECOVER_EVERY_S", 0.05)
    url = f"sqlite:{path}"
    async with running(url) as ledger:
        journals = Journals(path, ledger._born)
        journals.begin(99).note(entry(1, 99))  # nobody lives under this number
        async with asyncio.timeout(5):
            while journals.writers() != [ledger._instance]:
                await asyncio.sleep(0.01)
    assert rows(url) == [("crashed", 5_000)]


async def test_a_stop_that_cannot_write_leaves_its_rows_to_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.stores.database.sqlite.BUSY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(writer, "CLOSE_S", 0.1)
    url = f"sqlite:{path}"
    async with running(url) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        row = fresh(ledger)
        await ledger.open(row)
        ledger.settle(replace(done(), id=row.id, instance=row.instance))
    other.close()
    assert "1 rows of the ledger" in caplog.text or "2 rows of the ledger" in caplog.text
    assert "the next start does it, from the journal" in caplog.text
    assert rows(url) == []
    async with running(url) as ledger:
        assert ledger.recovered == []
    assert rows(url) == [("settled", 700)]
    assert notes(path) == []


@pytest.mark.parametrize(("gathered", "waits"), [(2, False), (3, True), (4, True)])
async def test_who_comes_while_too_many_gather_waits_until_they_are_written(
    path: Path, monkeypatch: pytest.MonkeyPatch, gathered: int, waits: bool
) -> None:
    monkeypatch.setattr(writer, "MANY_WAITING", 4)
    monkeypatch.setattr(writer, "LINGER_S", 600.0)
    async with running(f"sqlite:{path}") as ledger:
        for _ in range(gathered):
            ledger.settle(fresh(ledger, state="settled"))
        await ledger.open(fresh(ledger))
        assert (ledger.waiting == 0) is waits


async def test_a_request_is_found_before_the_database_has_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LINGER_S", 600.0)
    url = f"sqlite:{path}"
    async with running(url) as ledger:
        row = fresh(ledger)
        await ledger.open(row)
        [found] = await asyncio.to_thread(requests_by_id, url, row.request_id, None)
        assert found == row
        assert await asyncio.to_thread(requests_by_id, url, row.request_id, "another") == []
        await ledger.flush()
        settled = replace(done(), id=row.id, instance=row.instance)
        ledger.settle(settled)
        assert rows(url) == [("open", None)]
        assert await asyncio.to_thread(requests_by_id, url, row.request_id, row.tenant) == [settled]
    assert rows(url) == [("settled", 700)]

"""The file: its version, its locks, and what is none."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.stores.database import Database, LedgerAway, at_once, open_database
from gateway.stores.database.migrations import KNOWN
from gateway.stores.database.work import fetch
from gateway.stores.keys.store import KeyStore
from gateway.stores.ledger import usage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "what? 100% #1.db"


def migrate(path: Path) -> tuple[int, int]:
    return at_once(f"sqlite:{path}", lambda database: database.migrate())


def in_another_process(act: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        os._exit(act())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_file_of_a_newer_gateway_is_left_alone(path: Path) -> None:
    assert migrate(path) == (0, KNOWN)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {KNOWN + 1}")
    connection.close()
    with pytest.raises(LedgerAway, match="run the newer gateway"):
        migrate(path)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_text("notes of mine, not a database at all" * 99)
    with pytest.raises(LedgerAway, match=r"gateway\.db cannot be opened"):
        migrate(tmp_path / "gateway.db")


def test_to_read_makes_no_file(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'none.db'}"
    for read in (lambda: usage(url, "key", ""), lambda: KeyStore(url).since(0)):
        with pytest.raises(LedgerAway, match=r"none\.db cannot be opened"):
            read()
    assert list(tmp_path.iterdir()) == []


def test_who_lives_is_told_from_who_died(path: Path) -> None:
    migrate(path)

    async def claim(database: Database) -> int:
        return await database.claim(0.0)

    died = in_another_process(lambda: at_once(f"sqlite:{path}", claim))

    async def seen_with_ours(database: Database) -> list[int]:
        own = await database.claim(0.0)
        assert in_another_process(lambda: at_once(f"sqlite:{path}", lambda other: seen(other, own))) == 0
        assert own > died
        return await database.dead([died, own])

    async def seen(database: Database, own: int) -> int:
        await database.claim(0.0)
        return len(await database.dead([own]))

    assert at_once(f"sqlite:{path}", seen_with_ours) == [died]


async def test_a_new_file_that_another_process_begins_is_waited_for(path: Path) -> None:
    """The journal cannot change while another one writes, and SQLite says so at once."""
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    database = open_database(f"sqlite:{path}")
    migrating = asyncio.create_task(database.migrate())
    await asyncio.sleep(0.1)
    assert not migrating.done()
    other.execute("COMMIT")
    other.close()
    assert await migrating == (0, KNOWN)
    await database.aclose()


async def test_a_new_file_that_another_process_never_ends_is_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.database.sqlite.BUSY_TIMEOUT_S", 0.01)
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    database = open_database(f"sqlite:{path}")
    with pytest.raises(LedgerAway, match=r"cannot be opened: database is locked"):
        await database.migrate()
    other.close()
    await database.aclose()


async def test_a_locked_file_is_away_and_comes_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.database.sqlite.BUSY_TIMEOUT_S", 0.01)
    database = open_database(f"sqlite:{path}")
    await database.migrate()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerAway, match="locked"):
        await database.run(fetch("INSERT INTO instances (started_at) VALUES ($1)", 0.0))
    other.execute("ROLLBACK")
    other.close()
    await database.run(fetch("INSERT INTO instances (started_at) VALUES ($1)", 0.0))
    assert await database.size_bytes() > 0
    await database.aclose()

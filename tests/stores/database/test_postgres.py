"""PostgreSQL: who lives is who holds a lock, a broken connection is taken anew, and the password is never told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from gateway.stores.database import LedgerAway, Lock, at_once, open_database
from gateway.stores.database.migrations import KNOWN
from gateway.stores.database.postgres import LIVING, Postgres, without_password
from gateway.stores.database.work import Work, fetch
from tests.postgres_server import PASSWORD, PostgresServer

SELVES = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> {}"


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Postgres]:
    database = Postgres(url)
    await database.migrate()
    yield database
    await database.aclose()


async def break_all(url: str) -> None:
    """End every session on the database but the one that does it."""
    other = open_database(url)
    await other.run(fetch(SELVES.format("pg_backend_pid()")))
    await other.aclose()


async def test_who_lives_is_told_from_who_died(database: Postgres, url: str) -> None:
    own = await database.claim(0.0)
    other = open_database(url)
    theirs = await other.claim(0.0)
    assert await database.dead([own, theirs, 99]) == [99]
    assert await other.dead([own, theirs]) == []
    await other.aclose()
    assert await database.dead([own, theirs]) == [theirs]


async def test_after_its_connections_broke_it_lives_again_at_the_next_call(database: Postgres, url: str) -> None:
    own = await database.claim(0.0)
    await break_all(url)
    other = open_database(url)
    assert await other.dead([own]) == [own]
    with suppress(LedgerAway):  # where it had not seen yet that they are broken
        await database.run(fetch("SELECT 1"))
    assert await database.run(fetch("SELECT 1")) == [(1,)]
    assert await other.dead([own]) == []
    await other.aclose()


async def test_a_session_that_lingers_says_that_it_lives_and_is_followed_later(database: Postgres, url: str) -> None:
    lingering = open_database(url)
    [(number,)] = await database.run(fetch("SELECT COALESCE(MAX(number), 0) + 1 FROM instances"))
    await lingering.run(fetch(f"SELECT pg_advisory_lock({LIVING}, {number})"))
    other = open_database(url)
    assert await database.claim(0.0) == number  # no wait, and no fault
    await lingering.aclose()
    assert await other.dead([number]) == [number]
    await database.run(fetch("SELECT 1"))
    assert await other.dead([number]) == []
    await other.aclose()


async def test_what_one_process_at_a_time_does_waits_for_the_other(database: Postgres, url: str) -> None:
    seen = []

    def slow() -> Work[None]:
        yield from fetch("SELECT pg_sleep(0.2)")
        seen.append("first")

    def quick() -> Work[None]:
        yield from fetch("SELECT 1")
        seen.append("second")

    other = open_database(url)
    first = asyncio.create_task(database.run(slow(), Lock.KEYS))
    await asyncio.sleep(0.1)
    await other.run(quick(), Lock.KEYS)
    await first
    await other.aclose()
    assert seen == ["first", "second"]


async def test_two_that_start_at_once_migrate_once(url: str) -> None:
    several = [open_database(url) for _ in range(4)]
    versions = await asyncio.gather(*(database.migrate() for database in several))
    await asyncio.gather(*(database.aclose() for database in several))
    assert sorted(versions) == [(0, KNOWN), *[(KNOWN, KNOWN)] * 3]


async def test_tables_of_a_newer_gateway_are_left_alone(database: Postgres, url: str) -> None:
    await database.run(fetch("UPDATE schema_version SET version = $1", KNOWN + 1))
    assert await database.version() == KNOWN + 1
    with pytest.raises(LedgerAway, match="run the newer gateway"):
        await database.migrate()


async def test_a_fault_inside_a_transaction_leaves_nothing_and_the_next_one_works(database: Postgres) -> None:
    def faulty() -> Work[None]:
        yield from fetch("INSERT INTO instances (started_at) VALUES ($1)", 1.0)
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await database.run(faulty())
    assert await database.run(fetch("SELECT * FROM instances")) == []


def test_a_server_that_is_not_there_is_named_without_its_password(postgres: PostgresServer) -> None:
    url = f"postgresql://someone:{PASSWORD}@127.0.0.1:1/ledger?sslmode=disable"
    with pytest.raises(LedgerAway, match=r"postgresql://127\.0\.0\.1:1/ledger cannot be reached") as caught:
        at_once(url, lambda database: database.version())
    assert PASSWORD not in str(caught.value)
    gone = postgres.new_database() + "_gone"
    with pytest.raises(LedgerAway, match="does not exist") as caught:
        at_once(gone, lambda database: database.version())
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:p@db.example:5432/gateway?password=p", "postgresql://db.example:5432/gateway"),
        ("postgres://[::1]/x", "postgres://[::1]/x"),
        ("postgresql://u:p%40@h/x", "postgresql://h/x"),
    ],
)
def test_an_address_is_told_without_user_and_password(url: str, told: str) -> None:
    assert without_password(url) == told

"""The database that keeps the ledger and the keys: SQLite in a file, or PostgreSQL, by the URL that names it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.stores.database.protocol import Database, LedgerAway, Lock
from gateway.stores.database.sqlite import Sqlite

T = TypeVar("T")

FILE = "sqlite:"

__all__ = ["FILE", "Database", "LedgerAway", "Lock", "at_once", "open_database"]


def open_database(url: str, *, read_only: bool = False) -> Database:
    """Return the database at `sqlite:PATH` or `postgresql://…`; it connects when it is first asked.

    Read only, a file that is not there is not made.
    """
    if url.startswith(FILE):
        return Sqlite(Path(url.removeprefix(FILE)), read_only=read_only)
    from gateway.stores.database.postgres import Postgres  # needs the extra `postgres`

    return Postgres(url)


def at_once(url: str, act: Callable[[Database], Awaitable[T]], *, read_only: bool = False) -> T:
    """Do one thing with the database and close it again: for commands and threads without a loop. Blocks."""

    async def acted() -> T:
        database = open_database(url, read_only=read_only)
        try:
            return await act(database)
        finally:
            await database.aclose()

    with ThreadPoolExecutor(1) as thread:  # in this one a loop may be running
        return thread.submit(asyncio.run, acted()).result()

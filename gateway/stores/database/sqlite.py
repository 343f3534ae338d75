"""A SQLite file: WAL, and a thread of its own, in which everything that blocks is done."""

from __future__ import annotations

import asyncio
import fcntl
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import quote

from gateway.stores.database.migrations import KNOWN, SQLITE, missing
from gateway.stores.database.protocol import LedgerAway, Lock
from gateway.stores.database.work import Row, Step, Work

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0  # another process writes: its transactions take milliseconds
BUSY_AGAIN_S = 0.01


class Sqlite:
    """One process's hold on the file. A lock on one byte of `<file>-locks`, given back by the system when the process
    ends in whatever way, says that it lives."""

    ids_in = "(SELECT value FROM json_each($1))"
    for_update = ""  # one transaction writes at a time

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.file = path
        self.shown = f"the database {path}"
        self._is_read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._locks: IO[bytes] | None = None
        self._number: int | None = None
        self._thread = ThreadPoolExecutor(1, "sqlite")

    async def migrate(self) -> tuple[int, int]:
        return await self._in_thread(self._migrate)

    async def version(self) -> int:
        return await self._in_thread(lambda connection: _version(connection))

    async def size_bytes(self) -> int:
        return await self._in_thread(self._size)

    async def claim(self, now: float) -> int:
        return await self._in_thread(lambda connection: self._claim(connection, now))

    async def dead(self, numbers: list[int]) -> list[int]:
        return await self._in_thread(lambda _: [number for number in numbers if self._is_dead(number)])

    async def run(self, work: Work[T], lock: Lock | None = None) -> T:
        return await self._in_thread(lambda connection: self._transact(connection, work))

    async def aclose(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def _in_thread(self, act: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._act, act)

    def _act(self, act: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._connection or self._connect()
        except (sqlite3.Error, OSError) as error:
            raise LedgerAway(f"{self.shown} cannot be opened: {error}") from error
        try:
            return act(connection)
        except (sqlite3.Error, OSError) as error:
            raise LedgerAway(f"{self.shown} cannot be read or written: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        if not self._is_read_only:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            f"file:{quote(str(self.file))}" + "?mode=ro" * self._is_read_only,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        try:
            if self._is_read_only:
                _version(connection)  # whether it is a database shows at the first look
            else:
                _write_ahead(connection)
                connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may take the last; a dead process none
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> tuple[int, int]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            before = _version(connection)
            for statement in missing(before, SQLITE, self.shown):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {KNOWN}")
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        return before, KNOWN

    def _transact(self, connection: sqlite3.Connection, work: Work[T]) -> T:
        connection.execute("BEGIN" if self._is_read_only else "BEGIN IMMEDIATE")
        try:
            done = _drive(connection, work)
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        return done

    def _claim(self, connection: sqlite3.Connection, now: float) -> int:
        number = connection.execute("INSERT INTO instances (started_at) VALUES (?)", (now,)).lastrowid or 0
        self._number = number
        self._locks = open(f"{self.file}-locks", "a+b")  # noqa: SIM115  # held as long as the process lives
        fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        return number

    def _is_dead(self, number: int) -> bool:
        """Whoever lives holds the byte of its number. To ask for one's own would give it back."""
        if number == self._number or self._locks is None:
            return False
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return False
        fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, number)
        return True

    def _size(self, connection: sqlite3.Connection) -> int:
        files = (Path(f"{self.file}{suffix}") for suffix in ("", "-wal", "-shm"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._locks is not None:
            self._locks.close()
            self._locks = None


@cache
def _with_marks(statement: str) -> str:
    return re.sub(r"\$\d+", "?", statement)


def _drive(connection: sqlite3.Connection, work: Work[T]) -> T:
    try:
        step = next(work)
        while True:
            step = work.send(_step(connection, step))
    except StopIteration as end:
        done: T = end.value
        return done


def _step(connection: sqlite3.Connection, step: Step) -> Sequence[Row]:
    statement = _with_marks(step.statement)
    if step.many is None:
        return connection.execute(statement, step.values).fetchall()
    connection.executemany(statement, step.many)
    return ()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Change a new file's journal, which takes the whole file. Where several processes begin at once SQLite does not
    wait for its own timeout: each holds what another one wants, so it gives up at once, and one of them comes later."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(BUSY_AGAIN_S)  # in the thread of this database


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")

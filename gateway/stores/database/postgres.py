"""PostgreSQL: one connection that works, and one whose session holds the lock that says that this process lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

from gateway.stores.database.migrations import KNOWN, POSTGRES, missing
from gateway.stores.database.protocol import LedgerAway, Lock
from gateway.stores.database.work import Row, Step, Work

T = TypeVar("T")

CONNECT_S = 5.0
CLOSE_S = 1.0
COMMAND_S = 10.0  # a batch takes milliseconds; beyond that it is written again on another connection
LIVING = 0x6777  # the first half of an advisory lock's key; the second is the number of a process,
ACTING = 0x6778  # or a Lock

# Where a machine vanishes without a word, its session and its locks end after 10 + 3 * 5 seconds.
SESSION = {
    "application_name": "ai-service-gateway",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "30s",  # a process that was stopped within one must not stop the others
}
# The third is what asyncpg raises where a session is ended while it begins something.
FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

_ALIVE = f"""SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
    AND classid = {LIVING} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class Postgres:
    """Both connections are opened when they are needed, and anew after they broke."""

    file: Path | None = None
    ids_in = "(SELECT value::bigint FROM json_array_elements_text($1::text::json))"
    for_update = " FOR UPDATE"

    def __init__(self, url: str) -> None:
        self._url = url
        self.shown = f"the database {without_password(url)}"
        self._working: Any = None
        self._living: Any = None
        self._is_held = False
        self._number: int | None = None
        self._turn = asyncio.Lock()

    async def migrate(self) -> tuple[int, int]:
        async with self._transaction(Lock.MIGRATE) as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            before = await connection.fetchval("SELECT version FROM schema_version")
            for statement in missing(before or 0, POSTGRES, self.shown):
                await connection.execute(statement)
            await connection.execute("DELETE FROM schema_version")
            await connection.execute("INSERT INTO schema_version VALUES ($1)", KNOWN)
        return before or 0, KNOWN

    async def version(self) -> int:
        async with self._transaction() as connection:
            if await connection.fetchval("SELECT to_regclass('schema_version')") is None:
                return 0
            return int(await connection.fetchval("SELECT version FROM schema_version") or 0)

    async def size_bytes(self) -> int:
        async with self._transaction() as connection:
            tables = "('instances'), ('requests'), ('usage_daily'), ('keys')"
            size = await connection.fetchval(
                f"SELECT SUM(pg_total_relation_size(to_regclass(name))) FROM (VALUES {tables}) AS tables (name)"
            )
        return int(size or 0)

    async def claim(self, now: float) -> int:
        async with self._transaction() as connection:
            statement = "INSERT INTO instances (started_at) VALUES ($1) RETURNING number"
            number = int(await connection.fetchval(statement, now))
        self._number = number
        async with self._transaction():  # takes the hold
            return number

    async def dead(self, numbers: list[int]) -> list[int]:
        async with self._transaction() as connection:
            alive = {self._number, *(row[0] for row in await connection.fetch(_ALIVE))}
        return [number for number in numbers if number not in alive]

    async def run(self, work: Work[T], lock: Lock | None = None) -> T:
        async with self._transaction(lock) as connection:
            return await _drive(connection, work)

    async def aclose(self) -> None:
        """Give the hold back last: until then nobody takes what is open for a dead process's."""
        for connection in (self._working, self._living):
            await _close(connection)
        self._working = self._living = None

    @asynccontextmanager
    async def _transaction(self, lock: Lock | None = None) -> AsyncIterator[Any]:
        async with self._turn:
            try:
                await self._hold()
                if self._working is None or self._working.is_closed():
                    self._working = await self._connect()
                connection = self._working
                async with connection.transaction():
                    if lock is not None:
                        await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", ACTING, lock.value)
                    yield connection
            except FAULTS as error:
                self._drop()
                reason = str(error) or "it does not answer"
                raise LedgerAway(f"{self.shown} cannot be reached or written: {reason}") from error

    async def _hold(self) -> None:
        """Show that this process lives. Where its broken session lingers, that still says so, and is followed later."""
        if self._number is None:
            return
        if self._living is None or self._living.is_closed():
            self._is_held = False
            self._living = await self._connect()
        if not self._is_held:
            statement = "SELECT pg_try_advisory_lock($1, $2)"
            self._is_held = bool(await self._living.fetchval(statement, LIVING, self._number))

    def _drop(self) -> None:
        """End what may be in any state; the hold that is had stays."""
        if self._working is not None:
            self._working.terminate()
            self._working = None
        if self._living is not None and not self._is_held:
            self._living.terminate()
            self._living = None

    async def _connect(self) -> Any:
        return await asyncpg.connect(
            self._url, timeout=CONNECT_S, command_timeout=COMMAND_S, server_settings=dict(SESSION)
        )


def without_password(url: str) -> str:
    """Return the address as it may be told: no user, no password, no parameters."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


async def _drive(connection: Any, work: Work[T]) -> T:
    try:
        step = next(work)
        while True:
            step = work.send(await _step(connection, step))
    except StopIteration as end:
        done: T = end.value
        return done


async def _step(connection: Any, step: Step) -> Sequence[Row]:
    if step.many is None:
        return [tuple(row) for row in await connection.fetch(step.statement, *step.values)]
    await connection.executemany(step.statement, step.many)
    return ()


async def _close(connection: Any) -> None:
    if connection is None or connection.is_closed():
        return
    try:
        await connection.close(timeout=CLOSE_S)
    except FAULTS:
        connection.terminate()

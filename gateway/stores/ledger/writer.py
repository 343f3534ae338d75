"""Writes the ledger beside the requests: what gathers while one transaction runs goes into the next, all at once.

Beside a file a journal has a row at once, and who opens it waits for its transaction only where too many gather; for a
row of a server's he waits until it is there. While the database cannot be written (a full disk, a lock, a server that
is away) requests are served on, and their rows wait in memory until it can: up to MAX_WAITING of them. Beyond that
requests are refused: their rows would be lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from gateway.errors import LedgerFull
from gateway.stores.database import Database, LedgerAway, open_database
from gateway.stores.ending import end
from gateway.stores.ledger.chores import Chores
from gateway.stores.ledger.entries import Entry
from gateway.stores.ledger.journal import Journal, Journals
from gateway.stores.ledger.rows import born_at, write
from gateway.stores.ledger.used import Used, used

LOGGER = logging.getLogger("gateway")

WAIT_S = 0.25  # at most, for a row to be written before its vendor is asked; a healthy server takes a millisecond
LINGER_S = 0.02  # rows for which nobody waits gather so long: a short call is opened and settled by one statement
MANY_WAITING = 10_000  # rows: they come faster than they are written, so that who opens one waits after all
MAX_WAITING = 100_000  # rows, some 50 MB
FLUSH_S = 2.0  # for a reader that wants to see what was settled just now
MAX_BATCH = 2_000  # rows of one transaction: what gathered while the database was away must not make one too long
AGAIN_S = (0.05, 0.2, 0.5, 1.0)  # between tries while it cannot be written; the last for all others
CLOSE_S = 5.0  # for the last rows to be written at a stop
COUNTER_BITS = 40  # of an entry's id, below the number of its process


OnCrashed = Callable[[list[Entry]], Awaitable[None]]


@dataclass(slots=True)
class Reading:
    """Somebody who wants to read all that is settled up to a moment, and nothing that is settled after it."""

    mark: Callable[[], None]  # called at that moment
    is_due: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class Ledger:
    """Off until `start`: then `is_on` is False, and nothing is written."""

    def __init__(self) -> None:
        self._database: Database | None = None
        self._instance = 0
        self._born = 0
        self._task: asyncio.Task[None] | None = None
        self._opened: list[Entry] = []
        self._settled: list[Entry] = []
        self._being_written = 0
        self._readings: list[Reading] = []
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()  # somebody waits for what gathers
        self._journal: Journal | None = None
        self._waiters: list[asyncio.Future[None]] = []  # for the batch that gathers
        self._ids = count(1)
        self._is_away = False
        self._is_closing = False
        self.name = ""  # of this process among all that there are; "" where nobody can say whether it lives
        self.recovered: list[Entry] = []  # what dead processes had left open, settled at the start
        self.on_crashed: OnCrashed | None = None  # told what others leave open that die later

    @property
    def is_on(self) -> bool:
        return self._database is not None

    @property
    def is_away(self) -> bool:
        """Whether it could not be written the last time."""
        return self._is_away

    @property
    def waiting(self) -> int:
        """How many rows are not written yet."""
        return len(self._opened) + len(self._settled) + self._being_written

    async def start(self, url: str, retention_days: int = 90) -> None:
        """Open the database, bring it up to date, settle what dead processes left, and write. Raises LedgerAway."""
        database = open_database(url)
        try:
            await database.migrate()
            self._instance = await database.claim(time.time())
            self._born = await database.run(born_at())
            journals = Journals(database.file, self._born) if database.file is not None else None
            chores = Chores(database, retention_days, self._tell_crashed, journals)
            self.recovered = await chores.recover()
            self._journal = journals.begin(self._instance) if journals is not None else None
        except BaseException:
            await database.aclose()
            raise
        self.name = f"{self._born}.{self._instance}"
        self._database = database
        self._task = asyncio.create_task(self._run(database, chores), name="ledger")

    async def dead(self, names: Iterable[str]) -> list[str]:
        """Return those of `names` that are of processes of this database which do not live. Raises LedgerAway."""
        assert self._database is not None
        own = f"{self._born}."
        numbers = {int(name.removeprefix(own)): name for name in names if name.startswith(own)}
        return [numbers[number] for number in await self._database.dead(list(numbers))]

    async def used(self, since: float | None, until: float | None = None) -> list[Used]:
        """Return the sums of requests that began at `since` or later, and before `until`. Raises LedgerAway."""
        assert self._database is not None
        return await self._database.run(used(since, until))

    def numbered(self) -> tuple[int, int]:
        """Return the id for a new entry, and the number of this process."""
        return (self._instance << COUNTER_BITS) | next(self._ids), self._instance

    async def open(self, entry: Entry) -> None:
        """Have the entry written, and wait for it. Raises LedgerFull where too many wait already."""
        waiting = self.waiting
        if waiting >= MAX_WAITING:
            raise LedgerFull("the ledger cannot be written, and no more requests can be kept for it", retry_after_s=1.0)
        self._opened.append(entry)
        self._wake.set()
        if self._journal is not None:
            self._note(entry)
            if waiting + 1 < MANY_WAITING:
                return
        if not self._is_away:
            self._hurry.set()
            await self._commit()

    def settle(self, entry: Entry) -> None:
        """Have the entry written as it ended. Never waits; what cannot be written now is written later."""
        self._settled.append(entry)
        self._wake.set()
        if self._journal is not None:
            self._note(entry)

    async def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Wait until all that is settled up to now is written, or the time is over."""
        until_s = asyncio.get_running_loop().time() + timeout_s
        while self.waiting and asyncio.get_running_loop().time() < until_s:
            self._wake.set()
            self._hurry.set()
            await self._commit()

    def _note(self, entry: Entry) -> None:
        assert self._journal is not None
        try:
            self._journal.note(entry)
        except LedgerAway as error:
            self._is_now_away(error)

    async def _commit(self) -> None:
        """Wait for the commit of what gathers now, for WAIT_S at most. One timer for all that wait for the same."""
        loop = asyncio.get_running_loop()
        waiters = self._waiters
        if not waiters:
            loop.call_later(WAIT_S, _release, waiters)
        waiter = loop.create_future()  # each its own: who is cancelled cancels what he waits for
        waiters.append(waiter)
        await waiter

    @asynccontextmanager
    async def as_of(self, mark: Callable[[], None]) -> AsyncIterator[None]:
        """What is read inside has all of this process that was settled until `mark` is called, and no more."""
        reading = Reading(mark)
        self._readings.append(reading)
        self._wake.set()
        self._hurry.set()
        try:
            await reading.is_due.wait()
            yield
        finally:
            reading.is_over.set()

    async def aclose(self) -> None:
        """Write what is left, and close the database."""
        if self._task is None or self._database is None:
            return
        self._is_closing = True
        self._wake.set()
        self._hurry.set()
        done, _ = await asyncio.wait((self._task,), timeout=CLOSE_S)
        if not done:
            await end(self._task)
            kept = "; the next start does it, from the journal" if self._journal is not None else ""
            LOGGER.error("%d rows of the ledger could not be written before the end%s", self.waiting, kept)
        if self._journal is not None:
            self._journal.close(is_empty=bool(done))
        await self._database.aclose()
        self._database = self._task = self._journal = None

    async def _run(self, database: Database, chores: Chores) -> None:
        while not (self._is_closing and not self.waiting):
            await _set_within(self._wake, chores.due_in_s)
            self._wake.clear()
            if self.waiting:
                await _set_within(self._hurry, LINGER_S)
            self._hurry.clear()
            if self.waiting or self._readings:
                await self._write_all(database)
            if not self._is_closing and not chores.due_in_s:
                await self._do(chores)

    async def _write_all(self, database: Database) -> None:
        """Write all that has gathered, trying until it is done."""
        opened, settled, waiters, readings = self._opened, self._settled, self._waiters, self._readings
        self._opened, self._settled, self._waiters, self._readings = [], [], [], []
        for reading in readings:
            reading.mark()
        self._being_written = len(opened) + len(settled)
        if self._journal is not None:
            self._journal.turn()
        for start in range(0, max(len(opened), len(settled)), MAX_BATCH):
            batch = (opened[start : start + MAX_BATCH], settled[start : start + MAX_BATCH])
            await self._write(database, *batch)
            self._being_written -= len(batch[0]) + len(batch[1])
        if self._journal is not None:
            self._journal.forget()
        _release(waiters)
        for reading in readings:
            reading.is_due.set()
            await reading.is_over.wait()  # it is bounded there

    async def _write(self, database: Database, opened: Sequence[Entry], settled: Sequence[Entry]) -> None:
        pauses = iter(AGAIN_S)
        while True:
            try:
                await database.run(write(database, opened, settled))
            except LedgerAway as error:
                self._is_now_away(error)
                await asyncio.sleep(next(pauses, AGAIN_S[-1]))
                continue
            self._is_now_back()
            return

    async def _tell_crashed(self, crashed: list[Entry]) -> None:
        if self.on_crashed is not None:
            await self.on_crashed(crashed)

    async def _do(self, chores: Chores) -> None:
        try:
            await chores.do()
        except LedgerAway as error:
            self._is_now_away(error)
        else:
            self._is_now_back()

    def _is_now_back(self) -> None:
        if self._is_away:
            LOGGER.warning("the ledger is written again, nothing is lost")
            self._is_away = False

    def _is_now_away(self, error: LedgerAway) -> None:
        if not self._is_away:
            LOGGER.error("%s; requests are served on, their rows wait in memory", error)
            self._is_away = True


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, which is set when so many seconds are over: a timeout would cancel who waits, and wake it by
    an error, fifty times a second."""
    if not event.is_set():
        timer = asyncio.get_running_loop().call_later(seconds, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()


def _release(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()  # who comes later to the same batch begins with a timer of his own

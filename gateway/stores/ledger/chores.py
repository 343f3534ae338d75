"""What the ledger does between two batches: settle what other processes left open when they died, delete old rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.stores.database import Database, Lock
from gateway.stores.ledger.entries import Entry
from gateway.stores.ledger.journal import Journals
from gateway.stores.ledger.rows import DAY_S, drop_before, open_instances, recover, write

RECOVER_EVERY_S = 5.0  # a budget of a process that died is whole again after so long
RETAIN_EVERY_S = 3600.0
RETAIN_ROWS = 500  # deleted at once: some milliseconds, for which a batch waits at most


class Chores:
    """When what is due; times are monotonic, but the age of a row."""

    def __init__(
        self,
        database: Database,
        retention_days: int,
        on_crashed: Callable[[list[Entry]], Awaitable[None]],
        journals: Journals | None = None,
    ) -> None:
        self._database = database
        self._journals = journals
        self._on_crashed = on_crashed
        self._retention_days = retention_days
        self._recover_at_s = time.monotonic() + RECOVER_EVERY_S
        self._retain_at_s = 0.0

    @property
    def due_in_s(self) -> float:
        return max(0.0, min(self._recover_at_s, self._retain_at_s) - time.monotonic())

    async def do(self) -> None:
        """Do what is due. Raises LedgerAway; it is tried again when it is due the next time."""
        now_s = time.monotonic()
        if now_s >= self._recover_at_s:
            self._recover_at_s = now_s + RECOVER_EVERY_S
            if crashed := await self.recover():
                await self._on_crashed(crashed)
        if now_s >= self._retain_at_s:
            self._retain_at_s = now_s + RETAIN_EVERY_S
            if await self.retain(time.time()) == RETAIN_ROWS:
                self._retain_at_s = now_s  # there may be more; batches go between

    async def recover(self) -> list[Entry]:
        """Settle what dead processes left open, and return it. What they had noted comes into the database first."""
        noted = await asyncio.to_thread(self._journals.writers) if self._journals is not None else []
        dead = await self._database.dead(sorted({*noted, *await self._database.run(open_instances())}))
        if not dead:
            return []
        for instance in set(dead).intersection(noted):
            await self._take_over(instance)
        return await self._database.run(recover(self._database, dead), Lock.RECOVER)

    async def _take_over(self, instance: int) -> None:
        """Another process may do the same at this moment: a row that is written twice counts once."""
        assert self._journals is not None
        left = await asyncio.to_thread(self._journals.left, instance)
        await self._database.run(write(self._database, left, [entry for entry in left if entry.state != "open"]))
        await asyncio.to_thread(self._journals.remove, instance)

    async def retain(self, now: float) -> int:
        """Delete some rows that are older than they are kept. Returns how many."""
        return await self._database.run(drop_before(now - self._retention_days * DAY_S, RETAIN_ROWS), Lock.RETAIN)

"""What the ledger, the keys and the commands ask of a database, whichever it is."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.stores.database.work import Work

T = TypeVar("T")


class LedgerAway(Exception):
    """The database cannot be reached just now; the message says which and why, without its password."""


class Lock(IntEnum):
    """What one process at a time does, of all that share the database. The numbers are the same in every version."""

    MIGRATE = 1
    KEYS = 2
    RECOVER = 3
    RETAIN = 4


class Database(Protocol):
    """One process's hold on it. Everything raises LedgerAway, and connects anew at the next call."""

    shown: str  # as it may be told: no password
    ids_in: str  # SQL: the numbers in a JSON text that is given as the one value
    for_update: str  # SQL behind a SELECT: nobody else may change these rows until the transaction is over

    @property
    def file(self) -> Path | None:
        """Where it lies; None: with a server."""

    async def migrate(self) -> tuple[int, int]:
        """Bring the tables up to date. Returns the version that was there and the one that is."""

    async def version(self) -> int:
        """Return the version of the tables that are there; 0: none."""

    async def size_bytes(self) -> int:
        """Return how much room it takes."""

    async def claim(self, now: float) -> int:
        """Take a number that no process had before, and show from now on that its process lives."""

    async def dead(self, numbers: list[int]) -> list[int]:
        """Return those of `numbers` whose process does not live."""

    async def run(self, work: Work[T], lock: Lock | None = None) -> T:
        """Do all of it in one transaction or nothing, and return what it returns. Where it is cut off while it commits,
        nobody knows which: what is run again has to bear that."""

    async def aclose(self) -> None: ...

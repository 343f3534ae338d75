"""Answers in files: for audio and what else is large. Bounded by bytes, and there again after a restart.

One file an entry, written beside its place and moved there whole; its name says whose it is and until when it is kept,
so that a start reads names only. What is read is checked, and what is damaged is a miss. A folder belongs to one
process at a time: its lock ends with the process, however that ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.stores.cache.codec import Unreadable, pack, unpack
from gateway.stores.cache.entry import Entry, Key, Purge

LOGGER = logging.getLogger("gateway")

MAX_WRITING = 32  # entries on their way to the disk: beyond it an answer is not kept, memory is not filled
_NAME = re.compile(
    r"([0-9a-f]{64}(?:-[0-9a-f]{16})?)\.([0-9a-f]{16})\.([0-9a-f]{16})\.([0-9]{1,12})\.[0-9a-f]{8}", re.ASCII
)
_NEW = ".new"


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    size_bytes: int
    kept_until: float
    tenant_tag: str
    route_tag: str


class DiskStore:
    """`now` gives seconds of the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._folder: Path | None = None
        self._lock: int | None = None
        self._rows: OrderedDict[str, _Row] = OrderedDict()  # by id, what was used longest ago first
        self._writing = 0
        self._coming_bytes = 0  # of what is being written
        self._coming: dict[str, tuple[Key, Entry]] = {}  # what is being written, by id: it is given from here
        self._purged: list[tuple[Purge, float]] = []  # while something was being written
        self._is_failing = False
        self.max_bytes = 0
        self.size_bytes = 0
        self.evictions = 0
        self.damaged = 0

    @property
    def is_open(self) -> bool:
        return self._folder is not None

    def __len__(self) -> int:
        return len(self._rows)

    async def open(self, folder: Path, max_bytes: int) -> None:
        """Take a folder and what is in it. Where it cannot be had, the log says so and nothing is kept on disk."""
        self.max_bytes = max_bytes
        if folder == self._folder:
            await self._shrink()
            return
        await self.close()
        try:
            self._lock, rows = await asyncio.to_thread(_taken, folder)
        except BlockingIOError:
            LOGGER.error("another process keeps answers in %s: this one keeps none on disk", folder)
            return
        except OSError as error:
            LOGGER.error("no answers are kept on disk: %s cannot be used (%s)", folder, os.strerror(error.errno or 0))
            return
        self._folder, self._rows = folder, rows
        self.size_bytes = sum(row.size_bytes for row in rows.values())
        await self._shrink()

    async def close(self) -> None:
        """Let go of the folder; what is in it stays."""
        self._folder = None
        self._rows = OrderedDict()
        self._coming.clear()
        self.size_bytes = 0
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def get(self, key: Key) -> Entry | None:
        if key.id in self._coming:
            return self._coming[key.id][1]
        row, folder = self._rows.get(key.id), self._folder
        if row is None or folder is None:
            return None
        if row.kept_until <= self._now():
            await self._drop([key.id])
            return None
        try:
            entry = await asyncio.to_thread(_read, folder / row.name)
        except FileNotFoundError:
            self._forget(key.id, row)
            return None
        except (OSError, Unreadable) as error:
            self.damaged += 1
            LOGGER.warning("an answer on disk cannot be read (%s) and is dropped: %s", error, row.name)
            await self._drop([key.id])
            return None
        if key.id in self._rows:
            self._rows.move_to_end(key.id)
        return entry

    async def put(self, key: Key, entry: Entry) -> bool:
        """Keep an entry; what it drives out is what was used longest ago. Returns whether it is kept."""
        folder = self._folder
        if folder is None or self._writing >= MAX_WRITING or entry.kept_until <= self._now():
            return False
        self._writing += 1
        self._coming[key.id] = (key, entry)
        try:
            data = await asyncio.to_thread(pack, entry)
            if data is None or len(data) > self.max_bytes:
                return False
            return await self._put(folder, key, entry, data)
        except OSError as error:
            if not self._is_failing:
                LOGGER.error("answers cannot be written to %s: %s", folder, os.strerror(error.errno or 0))
            self._is_failing = True
            return False
        finally:
            self._writing -= 1
            if self._coming.get(key.id, (key, None))[1] is entry:
                self._coming.pop(key.id, None)
            if not self._writing:
                self._purged.clear()

    async def _put(self, folder: Path, key: Key, entry: Entry, data: bytes) -> bool:
        # A name of its own, so that removing an older answer never takes a newer one with it.
        name = f"{key.id}.{key.tenant_tag}.{key.route_tag}.{int(entry.kept_until)}.{secrets.token_hex(4)}"
        self._coming_bytes += len(data)
        try:
            await self._shrink()
            await asyncio.to_thread(_write, folder, name, data)
        finally:
            self._coming_bytes -= len(data)
        self._is_failing = False
        if folder != self._folder:
            return False
        old = self._rows.pop(key.id, None)
        if old is not None:
            self.size_bytes -= old.size_bytes
        self._rows[key.id] = _Row(name, len(data), entry.kept_until, key.tenant_tag, key.route_tag)
        self.size_bytes += len(data)
        if old is not None:
            await asyncio.to_thread(_remove, folder, [old.name])
        if any(what.takes(key) and entry.stored_at <= before for what, before in self._purged):
            await self._drop([key.id])
            return False
        await self._shrink()
        return True

    async def purge(self, what: Purge, before: float = float("inf")) -> int:
        """Drop what agrees and was stored before a time; return how many entries that were."""
        folder = self._folder
        if self._writing:
            self._purged.append((what, before))
            for name, (key, entry) in list(self._coming.items()):
                if what.takes(key) and entry.stored_at <= before:
                    del self._coming[name]
        digest, tenant, route = what.tags
        gone = [
            name
            for name, row in self._rows.items()
            if digest in (None, name[:64]) and tenant in (None, row.tenant_tag) and route in (None, row.route_tag)
        ]
        if folder is not None and before != float("inf"):
            names = [(name, self._rows[name].name) for name in gone]
            gone = await asyncio.to_thread(_older, folder, names, before)
        await self._drop(gone)
        return len(gone)

    async def _shrink(self) -> None:
        gone: list[str] = []
        left = self.size_bytes + self._coming_bytes
        for name, row in self._rows.items():
            if left <= self.max_bytes:
                break
            gone.append(name)
            left -= row.size_bytes
        if gone:
            self.evictions += len(gone)
            await self._drop(gone)

    async def _drop(self, ids: list[str]) -> None:
        names = []
        for name in ids:
            row = self._rows.get(name)
            if row is not None:
                self._forget(name, row)
                names.append(row.name)
        if self._folder is not None and names:
            await asyncio.to_thread(_remove, self._folder, names)

    def _forget(self, name: str, row: _Row) -> None:
        if self._rows.get(name) is row:
            del self._rows[name]
            self.size_bytes -= row.size_bytes


# ---------------------------------------------------------------- in a thread


def _taken(folder: Path) -> tuple[int, OrderedDict[str, _Row]]:
    """Lock the folder; return the lock and what is in it. Raises BlockingIOError where another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found: list[tuple[float, str, _Row]] = []
        for place in folder.iterdir():
            match = _NAME.fullmatch(place.name)
            if match is not None:
                facts = place.stat()
                row = _Row(place.name, facts.st_size, float(match[4]), match[2], match[3])
                found.append((facts.st_mtime, match[1], row))
            elif place.suffix == _NEW:  # a process ended while it wrote
                place.unlink()
    except BaseException:
        os.close(lock)
        raise
    rows: OrderedDict[str, _Row] = OrderedDict()
    for _, name, row in sorted(found, key=lambda item: item[0]):
        if name in rows:  # a process ended between writing a newer one and removing this
            (folder / rows.pop(name).name).unlink(missing_ok=True)
        rows[name] = row
    return lock, rows


def _read(path: Path) -> Entry:
    entry = unpack(path.read_bytes())
    os.utime(path)  # the order of use outlives a restart
    return entry


def _write(folder: Path, name: str, data: bytes) -> None:
    place = folder / f"{name}{_NEW}"
    try:
        with open(place, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(data)
        place.rename(folder / name)
    except BaseException:
        place.unlink(missing_ok=True)
        raise


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _older(folder: Path, names: list[tuple[str, str]], before: float) -> list[str]:
    """Return the ids of those stored before a time: purges of others are told late, and spare what came since."""
    old = []
    for each, name in names:
        try:
            if unpack((folder / name).read_bytes()).stored_at <= before:
                old.append(each)
        except (OSError, Unreadable):
            old.append(each)
    return old

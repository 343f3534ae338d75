"""What the database does not have yet, noted in files beside it: a note is there when the call returns.

A note is copied into a file that is mapped into memory: no call of the system, for which another thread would get its
turn, and a few microseconds, where a commit takes a thread and, in a busy process, milliseconds. The system keeps the
pages of a process that dies, however it does; a power cut may take some, as of the database's own log. Two files take
turns: while a batch is committed, what comes meanwhile goes to the other one, and what is committed is forgotten in one
step. Whoever finds the process dead writes into the database what it has left behind.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from gateway import json
from gateway.stores.database import LedgerAway
from gateway.stores.ledger.entries import VALUES, Entry
from gateway.stores.ledger.rows import sound

TURNS = ("a", "b")
ROOM_BYTES = 65_536  # of a file at first: a hundred notes
GROWTH_BYTES = 4_194_304  # at once at most, which takes about a millisecond
_END = struct.Struct("<Q")  # what a file begins with: where its notes end


class Journals:
    """Those of all processes of one database, which `born` tells from another that had its place before."""

    def __init__(self, database: Path, born: int) -> None:
        self._folder = database.parent
        self._prefix = f"{database.name}-ahead-{born}-"

    def begin(self, instance: int) -> Journal:
        """Return the one of this process. Raises LedgerAway."""
        return Journal(self._paths(instance))

    def writers(self) -> list[int]:
        """Return the processes that have notes."""
        names = [path.name for path in self._folder.iterdir() if path.name.startswith(self._prefix)]
        found = (re.fullmatch(rf"(\d+)[{''.join(TURNS)}]", name.removeprefix(self._prefix)) for name in names)
        return sorted({int(match[1]) for match in found if match is not None})

    def left(self, instance: int) -> list[Entry]:
        """Return what a process has noted and not forgotten, each request once, as far as it had come."""
        entries: dict[int, Entry] = {}
        for path in self._paths(instance):
            for entry in _read(path):
                if entry.state != "open" or entry.id not in entries:
                    entries[entry.id] = entry
        return list(entries.values())

    def remove(self, instance: int) -> None:
        """Do away with the notes of a dead process, once the database has them."""
        for path in self._paths(instance):
            path.unlink(missing_ok=True)

    def _paths(self, instance: int) -> list[Path]:
        return [self._folder / f"{self._prefix}{instance}{turn}" for turn in TURNS]


class Journal:
    """The notes of one living process. Not for threads."""

    def __init__(self, paths: list[Path]) -> None:
        self._now, self._before = (_File(path) for path in paths)

    def note(self, entry: Entry) -> None:
        """Write it down as it is now. Raises LedgerAway."""
        try:
            line = json.dumps_line(VALUES(entry))
        except TypeError:  # a client's text that no text may hold
            line = json.dumps_line(VALUES(sound(entry)))
        self._now.add(line)

    def turn(self) -> None:
        """What has been noted so far is to be forgotten at the next `forget`; what follows is not."""
        self._now, self._before = self._before, self._now

    def forget(self) -> None:
        """The database has what was noted before the last turn."""
        self._before.clear()

    def close(self, *, is_empty: bool) -> None:
        """End it. Where notes are left, the next process of the database takes them over."""
        for file in (self._now, self._before):
            file.close()
            if is_empty:
                file.path.unlink(missing_ok=True)


class _File:
    """Lines behind the number that says where they end, which is set after a line is there: none is half there.

    Its room is written before it is mapped, since a page that the disk has no room for would end the process.
    """

    _pages: mmap.mmap

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = self._end = 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise LedgerAway(f"{path} cannot be written: {error.strerror}") from error
        self._grow(ROOM_BYTES)
        self.clear()

    def add(self, line: bytes) -> None:
        end = self._end + len(line)
        if end > self._size:
            self._grow(max(min(self._size, GROWTH_BYTES), end - self._size))
        self._pages[self._end : end] = line
        self._end = end
        _END.pack_into(self._pages, 0, end)

    def clear(self) -> None:
        if self._size > GROWTH_BYTES:  # of a time when the database was away
            self._map(ROOM_BYTES)
            os.truncate(self._file, ROOM_BYTES)
        self._end = _END.size
        _END.pack_into(self._pages, 0, self._end)

    def close(self) -> None:
        self._pages.close()
        os.close(self._file)

    def _grow(self, more: int) -> None:
        try:
            written = os.pwrite(self._file, bytes(more), self._size)
        except OSError as error:
            raise LedgerAway(f"{self.path} cannot be written: {error.strerror}") from error
        if written < more:
            raise LedgerAway(f"{self.path} cannot be written: there is no room")
        self._map(self._size + more)

    def _map(self, size: int) -> None:
        if self._size:
            self._pages.close()
        self._pages, self._size = mmap.mmap(self._file, size), size


def _read(path: Path) -> Iterator[Entry]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:  # another process has removed it
        return
    if len(data) < _END.size:
        return  # it was killed as it began
    (end,) = _END.unpack_from(data)
    for line in data[_END.size : end].splitlines():
        yield Entry(*json.loads(line))

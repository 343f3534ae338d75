"""Reloads where files change: `gateway run --watch`. Looks once a second, by content, through whatever links there are.

Not by the kernel's notices: a ConfigMap's files are links to a link that is swapped, network file systems send none,
and a name that is replaced is another file. What is looked at: all files that were read, the YAML beside them that an
`include` may find, `.env`, plugins, and the files of `${file:…}`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.config.files import Files
from gateway.config.model import Config
from gateway.telemetry.logs import LOGGER

POLL_S = 1.0
MAX_BYTES = 4_194_304  # of one file that is looked at; a configuration's are smaller, and are refused beyond that

Stats = dict[str, tuple[int, int, int] | None]  # of each file: its number, size and time; None: it is not there


class Follower:
    """Asks for a reload once files are other than they were, and have stood still from one look to the next."""

    def __init__(self, files: Files, poll_s: float = POLL_S) -> None:
        self._files = files
        self._poll_s = poll_s

    async def run(self, config: Callable[[], Config], request: Callable[[], None]) -> None:
        """Look until it is cancelled. `config` is the one that serves, whose files are looked at."""
        stats, digests = await asyncio.to_thread(self._look, config())
        while True:
            await asyncio.sleep(self._poll_s)
            seen = await asyncio.to_thread(self._stats, config())
            if seen == stats:
                continue
            stats = await self._settled(seen, config)
            _, now = await asyncio.to_thread(self._look, config())
            if now != digests:
                changed = sorted(name for name in {*now, *digests} if now.get(name) != digests.get(name))
                LOGGER.info("files changed, reloading: %s", ", ".join(changed[:10]))
                request()
            digests = now

    async def _settled(self, seen: Stats, config: Callable[[], Config]) -> Stats:
        """Return the stats once two looks agree: an editor or a copy may be half way."""
        while True:
            await asyncio.sleep(self._poll_s)
            again = await asyncio.to_thread(self._stats, config())
            if again == seen:
                return again
            seen = again

    def _stats(self, config: Config) -> Stats:
        found: Stats = {}
        for path in self._paths(config):
            try:
                stat = path.stat()  # of where links lead
                found[str(path)] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            except OSError:
                found[str(path)] = None
        return found

    def _look(self, config: Config) -> tuple[Stats, dict[str, str]]:
        """Return the stats, and the digest of each file's content."""
        stats = self._stats(config)
        return stats, {name: _digest(Path(name)) for name, stat in stats.items() if stat is not None}

    def _paths(self, config: Config) -> Iterator[Path]:
        read = [Path(name) for name in (str(self._files.routes), str(self._files.providers), *config.files)]
        yield from dict.fromkeys((*read, *(Path(name) for name in config.secret_files)))
        for folder in dict.fromkeys((*self._files.folders, *(path.parent for path in read))):
            for pattern in ("*.yaml", "*.yml"):
                yield from folder.glob(pattern)
        for folder in self._files.folders:
            yield folder / ".env"
            yield from (folder / "plugins").rglob("*.py")


def _digest(path: Path) -> str:
    """Return the SHA-256 of the content, "" where it cannot be read just now."""
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(MAX_BYTES)).hexdigest()
    except OSError:
        return ""

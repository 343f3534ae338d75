"""A recording made into samples on disk, with its quiet places, by a subprocess (gateway/audio/quiet.py)."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gateway.audio.records import PLACE, RATE_HZ, RECORD, Place
from gateway.errors import GatewayError, InvalidRequest, UpstreamCut, UpstreamTimeout, UpstreamUnavailable
from gateway.types import Upload
from gateway.upstream.files import file_chunks
from gateway.upstream.worker_process import WorkerGone, WorkerProcess
from gateway.worker import DATA, END, ERROR

FILE = str(Path(__file__).parents[1] / "audio" / "quiet.py")
MAX_PROCESSES = os.cpu_count() or 1  # one takes a whole core
STALL_S = 60.0  # without any sound: a process that hangs


@dataclass(slots=True)
class Sound:
    """16 kHz mono s16le in `file`, which `close` gives back, and a quiet place for each second."""

    file: IO[bytes] = field(repr=False)
    size_bytes: int = 0
    quiet: list[Place] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.size_bytes / 2 / RATE_HZ

    async def close(self) -> None:
        self.file.close()


class Cutter:
    """The processes that decode recordings. Lives as long as the gateway."""

    def __init__(self, size: int = MAX_PROCESSES) -> None:
        self._free = asyncio.Semaphore(size)
        self._all: set[WorkerProcess] = set()

    async def decode(self, upload: Upload, deadline_s: float) -> Sound:
        """Return the sound of a recording. It waits for a process where all are taken.

        Raises InvalidRequest for what cannot be decoded, UpstreamTimeout, UpstreamCut, UpstreamUnavailable.
        """
        try:
            async with asyncio.timeout_at(deadline_s if deadline_s != float("inf") else None):
                async with self._free:
                    return await self._decoded(upload)
        except TimeoutError as error:
            raise UpstreamTimeout("the deadline passed while the recording was decoded") from error

    async def aclose(self) -> None:
        """End every process; what is under way is cut."""
        for process in self._all:
            process.kill()
        await asyncio.gather(*(process.wait_closed() for process in self._all))

    async def _decoded(self, upload: Upload) -> Sound:
        try:
            process = await WorkerProcess.spawn(FILE)
        except OSError as error:
            raise UpstreamUnavailable(f"no process that decodes recordings could be started: {error}") from error
        self._all.add(process)
        sound = Sound(tempfile.TemporaryFile())  # noqa: SIM115  # closed by who gets it, or below
        feeding = asyncio.create_task(_feed(process, upload), name="feed a recording")
        try:
            await _read(process, sound)
            await asyncio.to_thread(sound.file.flush)
            return sound
        except BaseException:
            await sound.close()
            raise
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError, GatewayError, WorkerGone):
                await feeding
            process.kill()
            await process.wait_closed()
            self._all.discard(process)


async def _feed(process: WorkerProcess, upload: Upload) -> None:
    await process.begin({})
    async for chunk in file_chunks(upload):
        await process.piece(chunk)
    await process.piece(b"")


async def _read(process: WorkerProcess, sound: Sound) -> None:
    records = b""
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                kind, content = await process.frame()
        except TimeoutError as error:
            raise UpstreamTimeout(f"the decoding of the recording stalled for {STALL_S:g} s") from error
        except WorkerGone as error:
            raise UpstreamCut(f"the process that decodes recordings {error}") from error
        if kind == ERROR:
            raise InvalidRequest(f"'file': {json.loads(content)['message']}", param="file")
        if kind == END:
            return
        if kind == DATA:
            records = await _taken(records + content, sound)


async def _taken(records: bytes, sound: Sound) -> bytes:
    """Write whole records down, and return what is left."""
    at, samples = 0, b""
    while len(records) >= at + RECORD.size:
        kind, size = RECORD.unpack_from(records, at)
        end = at + RECORD.size + size
        if len(records) < end:
            break
        content = records[at + RECORD.size : end]
        if kind == b"S":
            samples += content
        else:
            sound.quiet += PLACE.iter_unpack(content)
        at = end
    if samples:
        await asyncio.to_thread(sound.file.write, samples)
        sound.size_bytes += len(samples)
    return records[at:]

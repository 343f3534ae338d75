"""Audio on its way from a vendor to a client, made into another format by a subprocess (gateway/audio/transcode.py).

Nothing is gathered: what a vendor sends goes in as it comes, and what is made goes out at once; a slow reader slows the
vendor. A conversion that is closed before its end takes its process with it, so that it stops at once.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError, UpstreamCut, UpstreamMalformed, UpstreamTimeout, UpstreamUnavailable
from gateway.types import AudioFormat
from gateway.upstream.worker_process import WorkerGone, WorkerProcess
from gateway.worker import DATA, END, ERROR

FILE = str(Path(__file__).parents[1] / "audio" / "transcode.py")
MAX_PROCESSES = 4 * (os.cpu_count() or 1)  # a conversion lasts as long as its vendor speaks, and takes little of a core
MAX_IDLE = 2  # kept for the next; 40 MB each
WAIT_S = 2.0  # for a process where all are taken: then another target may do better
_PIECE_BYTES = 32_768


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made of what. `stall_s`: how long the vendor and the conversion may be silent."""

    source: AudioFormat
    wanted: AudioFormat
    stall_s: float


class Converter:
    """The processes that convert. Lives as long as the gateway."""

    def __init__(self, size: int = MAX_PROCESSES) -> None:
        self._free = asyncio.Semaphore(size)
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._reapers: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def lease(self) -> Conversion:
        """Return a conversion that has its process, which starts up while the vendor is asked.

        Raises UpstreamUnavailable where all are taken or none can be started.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError as error:
            raise UpstreamUnavailable("all processes that convert audio are taken", retry_after_s=1.0) from error
        try:
            return Conversion(self, await self._take())
        except BaseException:
            self._free.release()
            raise

    def give_back(self, process: WorkerProcess, *, is_usable: bool) -> None:
        """Take a process in that a conversion no longer needs."""
        if is_usable and process.is_alive and not self._is_closed and len(self._idle) < MAX_IDLE:
            self._idle.append(process)
        else:
            process.kill()
            reaper = asyncio.ensure_future(self._reap(process))
            self._reapers.add(reaper)
            reaper.add_done_callback(self._reapers.discard)
        self._free.release()

    async def aclose(self) -> None:
        """End every process; what is under way is cut."""
        self._is_closed = True
        self._idle.clear()
        for process in self._all:
            process.kill()
        await asyncio.gather(*(process.wait_closed() for process in self._all))
        await asyncio.gather(*self._reapers)

    async def _take(self) -> WorkerProcess:
        if self._is_closed:
            raise UpstreamUnavailable("the gateway shuts down")
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            self._all.discard(process)
        try:
            process = await WorkerProcess.spawn(FILE)
        except OSError as error:
            raise UpstreamUnavailable(f"no process that converts audio could be started: {error}") from error
        self._all.add(process)
        return process

    async def _reap(self, process: WorkerProcess) -> None:
        await process.wait_closed()
        self._all.discard(process)


class Conversion:
    """One stream of audio under way. `close` may be called at any time, and more than once."""

    def __init__(self, converter: Converter, process: WorkerProcess) -> None:
        self._converter = converter
        self._process = process
        self._is_open = True
        self._feeding: asyncio.Task[None] | None = None

    async def run(self, chunks: AsyncIterator[bytes], order: Order) -> AsyncIterator[bytes]:
        """Yield the converted audio. Raises what `chunks` raises, UpstreamMalformed for what cannot be decoded,
        UpstreamTimeout where nothing moves, UpstreamCut where the process dies."""
        self._feeding = asyncio.create_task(self._feed(chunks, order), name="feed a conversion")
        try:
            while True:
                kind, content = await self._frame(order.stall_s)
                if kind == DATA:
                    yield content
                elif kind == ERROR:
                    raise UpstreamMalformed(str(json.loads(content)["message"]))
                elif kind == END:
                    await self._feeding
                    self._finish(is_usable=True)
                    return
        except WorkerGone as error:
            await self._raise_fault_of_source()
            raise UpstreamCut(f"the process that converts audio {error}") from error

    async def close(self) -> None:
        """Stop at once; nothing happens after the end."""
        if self._feeding is not None:
            self._feeding.cancel()
            with suppress(asyncio.CancelledError, GatewayError, WorkerGone):
                await self._feeding
        self._finish(is_usable=self._feeding is None)

    def _finish(self, *, is_usable: bool) -> None:
        if self._is_open:
            self._is_open = False
            self._converter.give_back(self._process, is_usable=is_usable)

    async def _feed(self, chunks: AsyncIterator[bytes], order: Order) -> None:
        process = self._process
        source, wanted = order.source, order.wanted
        try:
            await process.begin(
                {
                    "source": source.name,
                    "source_hz": source.sample_rate_hz,
                    "wanted": wanted.name,
                    "wanted_hz": wanted.sample_rate_hz,
                }
            )
            async for chunk in chunks:
                for at in range(0, len(chunk), _PIECE_BYTES):
                    await process.piece(chunk[at : at + _PIECE_BYTES])
            await process.piece(b"")
        except GatewayError:
            process.kill()  # the reader then sees that it is gone, and asks why
            raise

    async def _frame(self, stall_s: float) -> tuple[bytes, bytes]:
        try:
            async with asyncio.timeout(stall_s):
                return await self._process.frame()
        except TimeoutError as error:
            raise UpstreamTimeout(f"the audio stalled: nothing came, or was made, for {stall_s:g} s") from error

    async def _raise_fault_of_source(self) -> None:
        """The vendor's own fault explains more than that the process is gone."""
        assert self._feeding is not None
        with suppress(WorkerGone):
            await self._feeding

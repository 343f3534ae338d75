"""A pool of subprocesses that stands where a vendor's server would: a local provider's `answer`.

Processes start when they are needed and are kept. An answer that is closed before its end takes its process with it,
which is how a computation that nobody wants stops at once; the next request starts another.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from gateway.errors import UpstreamCut, UpstreamUnavailable, UpstreamUnreachable
from gateway.telemetry.logs import LOGGER
from gateway.types import UpstreamRequest, UpstreamResponse
from gateway.upstream.worker_process import WorkerGone, WorkerProcess
from gateway.worker import DATA, END, ERROR

_MAX_WAITING = 128  # requests a pool lets wait; the callers' deadlines bound for how long
_FINISH_S = 1.0  # an idle worker needs milliseconds to exit; one that does not is killed


class WorkerPool:
    """At most `size` processes of one FILE (see gateway/worker.py); further requests wait in order of arrival."""

    def __init__(self, file: str, size: int, *, name: str, max_waiting: int = _MAX_WAITING) -> None:
        self._file = file
        self._name = self.name = name
        self._max_waiting = max_waiting
        self._free = asyncio.Semaphore(size)
        self._waiting = 0
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._reapers: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        """Whether anything is being answered, or waits to be."""
        return self._waiting > 0 or len(self._all) > len(self._idle)

    async def answer(self, request: UpstreamRequest) -> UpstreamResponse:
        """Return the answer once its head is there; its chunks raise UpstreamCut where the process ends before them.

        Raises UpstreamUnavailable where too many wait, UpstreamUnreachable where no process answers.
        """
        await self._wait_turn()
        process: WorkerProcess | None = None
        try:
            process = await self._take()
            await process.send(request)
            kind, content = await process.frame()
        except WorkerGone as error:
            self._give_back(process, is_usable=False)
            LOGGER.warning("a worker of '%s' %s; the next call starts another", self._name, error)
            raise UpstreamUnreachable(f"a worker of '{self._name}' {error}; see the log for its last words") from error
        except BaseException:
            self._give_back(process, is_usable=False)
            raise
        answer = _Answer(self._name, process, lambda is_usable: self._give_back(process, is_usable=is_usable))
        if kind == ERROR:
            answer.finish()
            return _refusal(content, answer)
        head = json.loads(content)
        return UpstreamResponse(head["status"], head["headers"], answer.chunks(), answer.close)

    async def lease(self) -> WorkerProcess:
        """Return a process of its own for as long as it takes. Raises UpstreamUnavailable, UpstreamUnreachable."""
        await self._wait_turn()
        try:
            return await self._take()
        except BaseException:
            self._give_back(None, is_usable=False)
            raise

    def give_back(self, process: WorkerProcess, *, is_usable: bool) -> None:
        """Take a leased process in."""
        self._give_back(process, is_usable=is_usable)

    async def aclose(self) -> None:
        """End every process and wait until all are reaped; open answers are cut, waiting requests refused."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        for process in idle:
            process.finish()
        for process in self._all.difference(idle):
            process.kill()
        if idle:
            closing = [asyncio.ensure_future(process.wait_closed()) for process in idle]
            _, late = await asyncio.wait(closing, timeout=_FINISH_S)
            for process in idle:
                process.kill()
            await asyncio.gather(*late)
        await asyncio.gather(*(process.wait_closed() for process in self._all))
        await asyncio.gather(*self._reapers)

    async def _wait_turn(self) -> None:
        if self._waiting >= self._max_waiting:
            raise UpstreamUnavailable(
                f"all workers of '{self._name}' are busy and {self._waiting} requests wait; raise its option 'workers'",
                retry_after_s=1.0,
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def _take(self) -> WorkerProcess:
        """Return an idle process that lives, else a new one."""
        if self._is_closed:
            raise UpstreamUnavailable(f"the workers of '{self._name}' are shutting down")
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            self._discard(process)
        try:
            process = await WorkerProcess.spawn(self._file)
        except OSError as error:
            raise UpstreamUnreachable(f"no worker of '{self._name}' could be started: {error}") from error
        self._all.add(process)
        return process

    def _give_back(self, process: WorkerProcess | None, *, is_usable: bool) -> None:
        if process is not None:
            if is_usable and not self._is_closed:
                self._idle.append(process)
            else:
                self._discard(process)
        self._free.release()

    def _discard(self, process: WorkerProcess) -> None:
        process.kill()
        reaper = asyncio.ensure_future(self._reap(process))
        self._reapers.add(reaper)
        reaper.add_done_callback(self._reapers.discard)

    async def _reap(self, process: WorkerProcess) -> None:
        await process.wait_closed()
        self._all.discard(process)


class _Answer:
    """What is left of an answer after its head. It holds its process until its end was read, or until it is closed."""

    def __init__(self, name: str, process: WorkerProcess, give_back: Callable[[bool], None]) -> None:
        self._name = name
        self._process = process
        self._give_back = give_back
        self._is_open = True

    async def chunks(self) -> AsyncIterator[bytes]:
        while self._is_open:
            try:
                kind, content = await self._process.frame()
            except WorkerGone as error:
                LOGGER.warning("a worker of '%s' %s; the next call starts another", self._name, error)
                raise UpstreamCut(f"a worker of '{self._name}' {error} in the middle of its answer") from error
            if kind == DATA:
                yield content
                continue
            self.finish()
            if kind == END:
                return
            raise UpstreamCut(f"a worker of '{self._name}' failed in its answer: {json.loads(content)['message']}")
        raise UpstreamCut(f"an answer of '{self._name}' was closed before its end")

    def finish(self) -> None:
        """The process has nothing more to say and may serve the next."""
        self._release(is_usable=True)

    async def close(self) -> None:
        self._release(is_usable=False)

    def _release(self, *, is_usable: bool) -> None:
        if self._is_open:
            self._is_open = False
            self._give_back(is_usable)


def _refusal(content: bytes, answer: _Answer) -> UpstreamResponse:
    """An error frame in place of a head, as an HTTP answer would say it."""
    error: dict[str, Any] = json.loads(content)
    status = error.pop("status")
    body = json.dumps({"error": error}).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return UpstreamResponse(status, {"content-type": "application/json"}, chunks(), answer.close)

"""A live session in a subprocess: what the client says goes in in pieces, what was made of it comes out meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from gateway.errors import InvalidRequest, UpstreamCut, UpstreamUnavailable
from gateway.types import UpstreamRequest
from gateway.upstream.worker_process import WorkerGone, WorkerProcess
from gateway.upstream.workers import WorkerPool
from gateway.worker import DATA, END, ERROR

WAIT_S = 2.0  # for a process where all are taken: a session holds one while it lasts, which may be long


class Stream:
    """One session. `close` may be called at any time, and more than once."""

    def __init__(self, pool: WorkerPool, process: WorkerProcess) -> None:
        self._pool = pool
        self._process: WorkerProcess | None = process
        self._feeding: asyncio.Task[None] | None = None

    @staticmethod
    async def lease(pool: WorkerPool) -> Stream:
        """Return a session that has its process. Raises UpstreamUnavailable, UpstreamUnreachable."""
        try:
            async with asyncio.timeout(WAIT_S):
                return Stream(pool, await pool.lease())
        except TimeoutError as error:
            raise UpstreamUnavailable(
                f"all workers of '{pool.name}' are taken; raise its option 'workers'", retry_after_s=1.0
            ) from error

    async def run(self, request: UpstreamRequest, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield what the process says, up to its end. Raises InvalidRequest, UpstreamCut."""
        process = self._process
        assert process is not None
        self._feeding = asyncio.create_task(_feed(process, request, pieces), name="feed a live session")
        try:
            while True:
                kind, content = await process.frame()
                if kind == DATA:
                    yield content
                elif kind == ERROR:
                    error = json.loads(content)
                    if error["status"] < 500:
                        raise InvalidRequest(error["message"], param=error["param"])
                    raise UpstreamCut(f"a worker of '{self._pool.name}' failed: {error['message']}")
                elif kind == END:
                    await self._feeding
                    self._give_back(is_usable=True)
                    return
        except WorkerGone as error:
            raise UpstreamCut(f"a worker of '{self._pool.name}' {error} in the middle of a session") from error

    async def close(self) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            with suppress(asyncio.CancelledError, WorkerGone):
                await self._feeding
        self._give_back(is_usable=False)

    def _give_back(self, *, is_usable: bool) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._pool.give_back(process, is_usable=is_usable)


async def _feed(process: WorkerProcess, request: UpstreamRequest, pieces: AsyncIterator[bytes]) -> None:
    await process.begin({"method": request.method, "url": request.url, "headers": dict(request.headers)})
    async for piece in pieces:
        await process.piece(piece)
    await process.piece(b"")

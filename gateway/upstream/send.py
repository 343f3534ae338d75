"""Send one request to a provider, wherever it lives, under its deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace

from gateway.errors import UpstreamTimeout
from gateway.plugin import Inline, Worker
from gateway.types import Provider, Target, UpstreamRequest, UpstreamResponse
from gateway.upstream.http import HttpTransport
from gateway.upstream.tokens import Tokens
from gateway.upstream.workers import WorkerPool

RETIRE_POLL_S = 0.2  # how often a pool that a reload left is looked at

Transport = Callable[[UpstreamRequest], Awaitable[UpstreamResponse]]
_PoolKey = tuple[str, str, int]  # provider, file, number of processes: what makes a pool another one


class Upstream:
    """Connections and subprocesses to all providers. Lives as long as the process; `retain` drops what is left over."""

    def __init__(self, http: HttpTransport) -> None:
        self._http = http
        self._pools: dict[_PoolKey, WorkerPool] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self.tokens = Tokens(self.send)

    async def send(self, request: UpstreamRequest, target: Target, deadline_s: float) -> UpstreamResponse:
        """Return the answer once its head is there; its chunks raise UpstreamTimeout when they stall.

        Raises UpstreamUnreachable, UpstreamTimeout, UpstreamCut.
        """
        timeouts = target.provider.timeouts
        transport = self._transport(target.provider)
        until_s = min(asyncio.get_running_loop().time() + timeouts.first_byte_s, deadline_s)
        try:
            async with asyncio.timeout_at(until_s):
                response = await transport(request)
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{target.name} sent no answer within {timeouts.first_byte_s:g} s (timeouts.first_byte_s), "
                "or the deadline passed"
            ) from error
        return replace(response, chunks=_bounded(response.chunks, target, deadline_s))

    def retain(self, providers: Iterable[Provider]) -> None:
        """Let go of the subprocesses that no provider of these needs, each as soon as it has answered what it began."""
        needed = {_pool_key(provider, backend) for provider in providers if (backend := _worker(provider)) is not None}
        for key in self._pools.keys() - needed:
            task = asyncio.create_task(_retire(self._pools.pop(key)), name=f"retire workers of {key[0]}")
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def aclose(self) -> None:
        """Close every connection and end every subprocess; what is under way is cut."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self.tokens.aclose()
        await asyncio.gather(*(pool.aclose() for pool in self._pools.values()))
        self._pools.clear()
        await self._http.aclose()

    def _transport(self, provider: Provider) -> Transport:
        backend = provider.plugin.backend
        if backend is None:
            return self._http.bind(provider.timeouts.connect_s)
        if isinstance(backend, Inline):
            return backend.answer
        return self._pool(provider, backend).answer

    def _pool(self, provider: Provider, backend: Worker) -> WorkerPool:
        key = _pool_key(provider, backend)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = WorkerPool(backend.file, key[2], name=provider.name)
        return pool


def _worker(provider: Provider) -> Worker | None:
    backend = provider.plugin.backend
    return backend if isinstance(backend, Worker) else None


def _pool_key(provider: Provider, backend: Worker) -> _PoolKey:
    return provider.name, backend.file, int(provider.options.get("workers", 1))


async def _retire(pool: WorkerPool) -> None:
    try:
        while pool.is_busy:  # noqa: ASYNC110  # seldom, short, and nobody waits for it
            await asyncio.sleep(RETIRE_POLL_S)
    finally:
        await pool.aclose()


async def _bounded(chunks: AsyncIterator[bytes], target: Target, deadline_s: float) -> AsyncIterator[bytes]:
    """Pass chunks on; raise UpstreamTimeout where the next does not come within idle_s or the deadline."""
    loop = asyncio.get_running_loop()
    idle_s = target.provider.timeouts.idle_s
    iterator = aiter(chunks)
    while True:
        try:
            async with asyncio.timeout_at(min(loop.time() + idle_s, deadline_s)):
                chunk = await anext(iterator)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{target.name} stalled: nothing for {idle_s:g} s (timeouts.idle_s), or the deadline passed"
            ) from error
        yield chunk

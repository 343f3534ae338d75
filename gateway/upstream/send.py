"""Send one request to a provider, wherever it lives, under its deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from gateway.errors import UpstreamTimeout
from gateway.plugin import Inline, Worker
from gateway.types import Provider, Target, UpstreamRequest, UpstreamResponse
from gateway.upstream.http import HttpTransport
from gateway.upstream.workers import WorkerPool

Transport = Callable[[UpstreamRequest], Awaitable[UpstreamResponse]]


class Upstream:
    """Connections and subprocesses to all providers. Lives as long as the process; `retain` drops what is left over."""

    def __init__(self, http: HttpTransport) -> None:
        self._http = http
        self._pools: dict[str, WorkerPool] = {}

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

    async def retain(self, providers: set[str]) -> None:
        """Close the subprocesses of providers that are no longer configured."""
        for name in self._pools.keys() - providers:
            await self._pools.pop(name).aclose()

    async def aclose(self) -> None:
        await self.retain(set())
        await self._http.aclose()

    def _transport(self, provider: Provider) -> Transport:
        backend = provider.plugin.backend
        if backend is None:
            return self._http.bind(provider.timeouts.connect_s)
        if isinstance(backend, Inline):
            return backend.answer
        return self._pool(provider, backend).answer

    def _pool(self, provider: Provider, backend: Worker) -> WorkerPool:
        pool = self._pools.get(provider.name)
        if pool is None:
            size = int(provider.options.get("workers", 1))
            pool = self._pools[provider.name] = WorkerPool(backend.file, size, name=provider.name)
        return pool


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

"""Send one request to a provider, wherever it lives, under its deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from gateway.errors import UpstreamTimeout
from gateway.flow import Take, poured
from gateway.plugin import Inline, Worker
from gateway.types import Provider, Target, Timeouts, UpstreamRequest, UpstreamResponse
from gateway.upstream.http import HttpTransport
from gateway.upstream.patience import Patience
from gateway.upstream.proxied import Proxied
from gateway.upstream.socket import Socket, SocketLimits
from gateway.upstream.streams import Stream
from gateway.upstream.tokens import Tokens
from gateway.upstream.upgrading import upgrade
from gateway.upstream.workers import WorkerPool

RETIRE_POLL_S = 0.2  # how often a pool that a reload left is looked at

T = TypeVar("T")
Transport = Callable[[UpstreamRequest], Awaitable[UpstreamResponse]]
_PoolKey = tuple[str, str, int]  # provider, file, number of processes: what makes a pool another one


class Upstream:
    """Connections and subprocesses to all providers. Lives as long as the process; `retain` drops what is left over."""

    def __init__(self, http: HttpTransport) -> None:
        self._http = http
        self._proxied = Proxied(http.via)
        self._direct = Proxied(http.via, has_proxy=False)  # for sockets
        self._pools: dict[_PoolKey, WorkerPool] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self.tokens = Tokens(self.send)

    async def send(
        self, request: UpstreamRequest, target: Target, deadline_s: float, timeouts: Timeouts | None = None
    ) -> UpstreamResponse:
        """Return the answer once its head is there; its chunks raise UpstreamTimeout when they stall.

        `timeouts` are the target's own unless others are given.

        Raises UpstreamUnreachable, UpstreamTimeout, UpstreamCut.
        """
        timeouts = timeouts or target.timeouts
        transport = self._transport(target.provider, timeouts.connect_s)
        loop = asyncio.get_running_loop()
        patience = Patience(loop)
        try:
            response = await patience.wait(transport(request), min(loop.time() + timeouts.first_byte_s, deadline_s))
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{target.name} sent no answer within {timeouts.first_byte_s:g} s (timeouts.first_byte_s), "
                "or the deadline passed"
            ) from error
        except BaseException:
            patience.stop()
            raise
        bounded = _Bounded(response, patience, target.name, timeouts.idle_s, deadline_s)
        return UpstreamResponse(response.status, response.headers, bounded, bounded.close)

    def warm(self, providers: Iterable[Provider]) -> None:
        """Keep as many idle connections to each of these providers as it wants."""
        self._http.warm(
            {
                one.base_url: one.warm_connections
                for one in providers
                if one.warm_connections and one.off_reason is None and one.base_url and one.proxy == "none"
            }
        )

    async def upgrade(
        self,
        request: UpstreamRequest,
        target: Target,
        deadline_s: float,
        limits: SocketLimits,
        timeouts: Timeouts | None = None,
    ) -> Socket | UpstreamResponse:
        """Return a vendor's open WebSocket, or what it answered instead. Raises what `send` does."""
        timeouts = timeouts or target.timeouts
        until_s = min(asyncio.get_running_loop().time() + timeouts.first_byte_s, deadline_s)
        session = self._direct if target.provider.proxy == "none" else self._proxied
        try:
            async with asyncio.timeout_at(until_s):
                return await upgrade(session, request, timeouts.connect_s, limits)
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{target.name} opened no WebSocket within {timeouts.first_byte_s:g} s (timeouts.first_byte_s), "
                "or the deadline passed"
            ) from error

    async def pieces(self, target: Target) -> Stream:
        """Return a session in a subprocess of its own of the target's provider, whose plugin lives in such.

        Raises UpstreamUnavailable, UpstreamUnreachable.
        """
        backend = _worker(target.provider)
        assert backend is not None
        return await Stream.lease(self._pool(target.provider, backend))

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
        await self._proxied.aclose()
        await self._direct.aclose()

    def _transport(self, provider: Provider, connect_s: float) -> Transport:
        backend = provider.plugin.backend
        if backend is None:
            return (self._http if provider.proxy == "none" else self._proxied).bind(connect_s)
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


class _Bounded:
    """An answer's chunks; the next has to come within idle_s, and before the deadline."""

    __slots__ = ("_chunks", "_close", "_deadline_s", "_idle_s", "_name", "_patience", "_take")

    def __init__(
        self, response: UpstreamResponse, patience: Patience, name: str, idle_s: float, deadline_s: float
    ) -> None:
        self._chunks = aiter(response.chunks)
        self._close = response.close
        self._patience = patience
        self._name = name
        self._idle_s = idle_s
        self._deadline_s = deadline_s
        self._take: Take[bytes] | None = None

    def __aiter__(self) -> _Bounded:
        return self

    async def __anext__(self) -> bytes:
        return await self._in_time(anext(self._chunks))

    def pour(self, take: Take[bytes]) -> Awaitable[bool]:
        self._take = take
        return self._in_time(poured(self._chunks, self._took))

    def _took(self, pieces: Sequence[bytes]) -> bool:
        assert self._take is not None
        patience, deadline_s = self._patience, self._deadline_s
        idle_until_s = patience.now_s() + self._idle_s
        patience.until_s = idle_until_s if idle_until_s < deadline_s else deadline_s
        return self._take(pieces)

    async def _in_time(self, awaitable: Awaitable[T]) -> T:
        patience = self._patience
        try:
            return await patience.wait(awaitable, min(patience.now_s() + self._idle_s, self._deadline_s))
        except TimeoutError as error:
            raise UpstreamTimeout(
                f"{self._name} stalled: nothing for {self._idle_s:g} s (timeouts.idle_s), or the deadline passed"
            ) from error
        except BaseException:
            patience.stop()
            raise

    async def close(self) -> None:
        self._take = None  # which may hold what holds this
        self._patience.stop()
        await self._close()

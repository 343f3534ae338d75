"""HTTP to vendors, over connections of our own that do nothing of their own accord."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from gateway.errors import UpstreamCut, UpstreamUnreachable
from gateway.types import UpstreamRequest, UpstreamResponse
from gateway.upstream.origin import Origin, split
from gateway.upstream.outgoing import outgoing
from gateway.upstream.pool import Pool

# Which may arrive twice (RFC 9110, 9.2.2). Others are sent again only where it is certain that nobody has read them.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_UNWRITABLE = (
    "the request cannot be written: a credential or header in providers.yaml holds a line break, or base_url a port "
    "that there is not"
)


class HttpTransport:
    """A pool of connections to all origins. No redirects, cookies, proxies from the environment, or decompression:
    a redirect would carry the operator's key to wherever it points."""

    def __init__(self, via: str) -> None:
        self.via = via  # names this process to whoever it calls, so that a loop is seen
        self._pool = Pool()

    def bind(self, connect_s: float) -> Callable[[UpstreamRequest], Awaitable[UpstreamResponse]]:
        """Return `send` with a limit for looking up the name, connecting and TLS together.

        It raises UpstreamUnreachable, UpstreamCut, UpstreamMalformed, and what reading an upload raises.
        """

        return partial(self._send, connect_s=connect_s)

    def warm(self, counts: Mapping[str, int]) -> None:
        """Keep so many idle connections open to where these URLs lead."""
        wanted: dict[Origin, int] = {}
        for url, count in counts.items():
            origin, _ = split(url)
            wanted[origin] = max(count, wanted.get(origin, 0))
        self._pool.warm(wanted)

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def _send(self, request: UpstreamRequest, connect_s: float) -> UpstreamResponse:
        try:
            origin, target = split(request.url)
            head, body = outgoing(request, origin.authority, target, self.via)
        except ValueError as error:
            raise UpstreamUnreachable(_UNWRITABLE) from error
        wire = self._pool.take(origin) or await self._pool.open(origin, connect_s)
        try:
            answer = await wire.ask(request.method, head, body)
        except UpstreamCut:
            if wire.has_heard or not wire.has_been_idle or request.method not in _IDEMPOTENT:
                raise
            wire = await self._pool.open(origin, connect_s)
            head, body = outgoing(request, origin.authority, target, self.via)
            answer = await wire.ask(request.method, head, body)
        return UpstreamResponse(answer.status, answer.headers, answer, answer.close)

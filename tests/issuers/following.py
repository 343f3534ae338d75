"""A table of issuers on real sockets, as the tests of its parts use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from gateway.config.model import Issuer
from gateway.errors import Unauthenticated
from gateway.issuers.keyset import Pace
from gateway.issuers.table import Issuers
from gateway.upstream.http import HttpTransport
from tests.issuers.provider import AUDIENCE, IdentityProvider, encoded

ALGORITHMS = ("RS256", "ES256", "EdDSA")
QUICK = Pace(refresh_s=60, retry_s=0.02, apart_s=0.2)


def issuer(provider: IdentityProvider | str, **more: Any) -> Issuer:
    url = provider if isinstance(provider, str) else provider.url
    return Issuer("login", url, (AUDIENCE,), more.pop("algorithms", ALGORITHMS), **more)


@asynccontextmanager
async def following(
    *issuers: Issuer, clock: Callable[[], float] = time.time, pace: Pace = QUICK, waits: bool = True
) -> AsyncIterator[Issuers]:
    """Yield a table that has fetched every key there is to fetch."""
    transport = HttpTransport("1.1 test")
    issued = Issuers(transport.bind(1.0), clock, pace)
    issued.use(issuers)
    try:
        async with asyncio.timeout(5):
            while waits and any(keyset.keys is None for keyset in issued._keysets.values()):
                await asyncio.sleep(0.005)
        yield issued
    finally:
        await issued.aclose()
        await transport.aclose()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():
            await asyncio.sleep(0.005)


def accepts(issuers: Issuers, token: str) -> bool:
    try:
        return issuers.find(token) is not None
    except Unauthenticated:
        return False


def forged(header: dict[str, Any], payload: dict[str, Any], signature: bytes = b"") -> str:
    return f"{encoded(header)}.{encoded(payload)}.{encoded(signature)}"

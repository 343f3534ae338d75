"""aiohttp's client as an oracle: what it makes of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that decodes and follows nothing, over a connection of its own each time."""
    connector = aiohttp.TCPConnector(force_close=True)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False) as made:
        yield made


async def ask(
    client: aiohttp.ClientSession, url: str, method: str, within_s: float
) -> tuple[int, dict[str, str], bytes] | None:
    """Return status, headers (the last of a name) and body, None where there is no whole answer."""
    try:
        async with asyncio.timeout(within_s), client.request(method, url, allow_redirects=False) as found:
            body = await found.read()
    except (aiohttp.ClientError, OSError, ValueError, TimeoutError):
        return None
    return found.status, {name.lower(): value for name, value in found.headers.items()}, body

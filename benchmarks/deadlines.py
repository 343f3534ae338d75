"""How late requests end after their deadline.

    python benchmarks/deadlines.py       also a part of `make bench`; exits 1 where the promise is not kept

The vendor and the clients are in this process, the gateway in its own; all on loopback. Many requests wait at once, for
a vendor that is late in every way in which one can be: before the head, before the first event, and in the middle of a
stream. Promised: every request ends at most 50 ms after its deadline.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.harness import process

CALLS, AT_ONCE = 600, 30
DEADLINE_MS = 400
PROMISED_MS = 50.0
CHUNK = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'  # noqa: E501
PROVIDER = """
  {name}:
    plugin: openai
    base_url: {url}/{name}
    credentials: {{api_key: bench-0123456789abcdef}}
    models: {{m: {{operation: chat}}}}
"""
NAMES = ("silent", "slow", "stalling")
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: warning}
keys: {anonymous: loopback}
models:
  silent: {operation: chat, targets: [silent/m]}
  slow: {operation: chat, targets: [slow/m]}
  stalling: {operation: chat, targets: [stalling/m]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
"""


async def vendor(request: web.Request) -> web.StreamResponse:
    await request.read()
    if request.match_info["name"] == "silent":
        await asyncio.sleep(60)
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    if request.match_info["name"] == "stalling":
        await response.write(CHUNK)
    await asyncio.sleep(60)
    return response


async def taken_ms(http: aiohttp.ClientSession, model: str) -> float:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": True}
    headers = {"x-gateway-timeout-ms": str(DEADLINE_MS)}
    start = time.perf_counter()
    async with http.post("/v1/chat/completions", json=body, headers=headers) as response:
        with suppress(aiohttp.ClientPayloadError):  # a stream that began, and was ended
            await response.read()
    return (time.perf_counter() - start) * 1000


async def deadlines(http: aiohttp.ClientSession) -> bool:
    late: list[float] = []

    async def client(number: int) -> None:
        await asyncio.sleep(number * DEADLINE_MS / 1000 / AT_ONCE)  # not all at the same moment
        for turn in range(CALLS // AT_ONCE):
            late.append(await taken_ms(http, NAMES[(number + turn) % len(NAMES)]) - DEADLINE_MS)

    await asyncio.gather(*(client(number) for number in range(AT_ONCE)))
    is_kept = max(late) <= PROMISED_MS
    print(
        f"a deadline of {DEADLINE_MS} ms, {len(late)} requests, {AT_ONCE} at once, as clients see it: "
        f"{statistics.median(late):.1f} ms late at the median, {statistics.quantiles(late, n=100)[98]:.1f} at the 99th "
        f"percentile, {max(late):.1f} at most   promised <= {PROMISED_MS:g} ms   {verdict(is_kept)}"
    )
    return is_kept


def verdict(is_kept: bool) -> str:
    return "kept" if is_kept else "NOT KEPT"


async def main() -> bool:
    app = web.Application()
    app.router.add_post("/{name}/chat/completions", vendor)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    providers = "version: 1\nproviders:" + "".join(PROVIDER.format(name=name, url=url) for name in NAMES)
    with tempfile.TemporaryDirectory() as folder:
        async with process(Path(folder), providers, ROUTES) as gateway, aiohttp.ClientSession(gateway.url) as http:
            is_kept = await deadlines(http)
    await runner.cleanup()
    return is_kept


if __name__ == "__main__":
    sys.exit(not asyncio.run(main()))

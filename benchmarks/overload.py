"""What is left of the gateway's best when three times as much is asked of it, and how quickly the rest is refused.

    python benchmarks/overload.py       also a part of `make bench`; exits 1 where a promise is not kept

The vendor does ten calls at once in 100 ms each, and lets those beyond wait in a queue of its own, as many do. An
answer counts where it is there within a second: who waits longer has left. First as many clients ask one call after
another as keep it busy: the peak. Then calls come at random moments, three times as many a second as that, however they
fare. Both are measured in turns in one run, since machines are noisy, and the middle of the rounds counts. The same is
shown with a second tenant, which asks for a tenth of what the vendor can, and whose calls take the places of some that
have waited for a while; where the gateway finds the limit itself; and where there is none.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.harness import process

ROUNDS = 5  # of what is promised; of the rest two
MEASURED_S = 3.0
LEARNED_S = 12.0  # until an adaptive limit has found its place
CAN = 10  # calls at once
TAKES_S = 0.1
TIMES = 3.0
QUIET_PER_S = 0.1 * CAN / TAKES_S
GOOD_S = 1.0  # who has no answer by then has left
PROMISED_RATIO, PROMISED_MS = 0.9, 20.0

PROVIDERS = """
version: 1
providers:
  vendor:
    plugin: openai
    base_url: {url}/v1
    credentials: {{api_key: bench-0123456789abcdef}}
    {limits}
    models: {{gpt: {{operation: chat}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: error}
keys: {static: "flood:flood-0123456789abcdef,quiet:quiet-0123456789abcdef"}
models: {chat: {operation: chat, targets: [vendor/gpt]}}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
"""
FIXED = f"limits: {{concurrent: {CAN}, queue: {{max: {CAN}, max_wait_s: 0.5}}}}"
ADAPTIVE = f"limits: {{concurrent: {{adaptive: true, max: 500}}, queue: {{max: {CAN}, max_wait_s: 0.5}}}}"
BODY = {"model": "chat", "messages": [{"role": "user", "content": "word " * 100}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101},
}


class Vendor:
    def __init__(self) -> None:
        self._room = asyncio.Semaphore(CAN)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        async with self._room:
            await asyncio.sleep(TAKES_S)
        return web.json_response(ANSWER)


@dataclass
class Seen:
    """What clients saw: whose answers came in time, how many calls were made, and after how long refusals came."""

    good: dict[str, int] = field(default_factory=lambda: {"flood": 0, "quiet": 0})
    asked: dict[str, int] = field(default_factory=lambda: {"flood": 0, "quiet": 0})
    refused_s: list[float] = field(default_factory=list)
    overhead_ms: list[float] = field(default_factory=list)  # of refusals, what the gateway itself says it took
    began_s: float = field(default_factory=time.perf_counter)
    for_s: float = MEASURED_S
    in_time: int = 0  # of the good ones: those that were there before the end

    @property
    def goodput(self) -> float:
        """Good answers a second."""
        return self.in_time / self.for_s


class Clients:
    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url + "/v1/chat/completions"
        self._dice = random.Random(3)

    async def ask(self, seen: Seen, who: str) -> None:
        seen.asked[who] += 1
        began_s = time.perf_counter()
        headers = {"authorization": f"Bearer {who}-0123456789abcdef"}
        try:
            async with (
                asyncio.timeout(GOOD_S),
                self._http.post(self._url, json=BODY, headers=headers) as answer,
            ):
                await answer.read()
        except TimeoutError:
            return
        if answer.status == 200:
            seen.good[who] += 1
            seen.in_time += time.perf_counter() - seen.began_s < seen.for_s
        elif answer.status == 503 and "retry-after" in answer.headers:
            seen.refused_s.append(time.perf_counter() - began_s)
            seen.overhead_ms.append(float(answer.headers["x-gateway-overhead-ms"]))
        else:
            raise AssertionError(f"answered with {answer.status}")

    async def peak(self, for_s: float) -> Seen:
        """Keep the vendor busy: as many ask as it can do, and as many again wait."""
        seen = Seen(for_s=for_s)

        async def one() -> None:
            while time.perf_counter() - seen.began_s < for_s:
                await self.ask(seen, "flood")

        await asyncio.gather(*(one() for _ in range(2 * CAN)))
        return seen

    async def storm(self, per_s: float, for_s: float, quiet_per_s: float = 0.0) -> Seen:
        """Ask at random moments, `per_s` times a second, so many of them for the quiet tenant."""
        seen = Seen(for_s=for_s)
        tasks: set[asyncio.Task[None]] = set()
        due_s = seen.began_s
        while (due_s := due_s + self._dice.expovariate(per_s)) - seen.began_s < for_s:
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            who = "quiet" if self._dice.random() * per_s < quiet_per_s else "flood"
            tasks.add(asyncio.create_task(self.ask(seen, who)))
        await asyncio.gather(*tasks)
        return seen


@asynccontextmanager
async def clients(vendor_url: str, limits: str) -> AsyncIterator[Clients]:
    """Yield clients of a gateway with these limits."""
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        providers = PROVIDERS.format(url=vendor_url, limits=limits)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            process(Path(folder), providers, ROUTES) as gateway,
            aiohttp.ClientSession(connector=connector) as http,
        ):
            yield Clients(http, gateway.url)


async def measured(
    url: str, limits: str, rounds: int, for_s: float, *, quiet_per_s: float = 0.0, learned_s: float = 0.0
) -> list[tuple[Seen, Seen]]:
    """Return what was seen at the peak and in the storm, in each round."""
    async with clients(url, limits) as them:
        peak = await them.peak(for_s / 3)  # for warming up
        if learned_s:
            await them.storm(TIMES * max(1.0, peak.goodput), learned_s)
        found = []
        for _ in range(rounds):
            peak = await them.peak(for_s)
            found.append((peak, await them.storm(TIMES * max(1.0, peak.goodput), for_s, quiet_per_s)))
        return found


def told(name: str, rounds: list[tuple[Seen, Seen]], *, is_promised: bool = False) -> bool:
    """Print what was seen, and return whether it is as promised."""
    peak = statistics.median(peak.goodput for peak, _ in rounds)
    ratio = statistics.median(storm.goodput / peak.goodput for peak, storm in rounds)
    is_kept = ratio >= PROMISED_RATIO
    promise = f"   promised >= {PROMISED_RATIO:g}   {verdict(is_kept)}" if is_promised else ""
    print(f"{name + ':':<26} peak {peak:.0f} a second, at {TIMES:g} x of that goodput / peak {ratio:.2f}{promise}")
    is_quick = _told_refusals([storm for _, storm in rounds], is_promised=is_promised)
    for who in ("flood", "quiet"):
        asked = sum(storm.asked[who] for _, storm in rounds)
        if asked:
            good = sum(storm.good[who] for _, storm in rounds)
            print(f"{'':<26} {who}: {good / asked:.0%} of {asked} answered")
    return is_kept and is_quick


def _told_refusals(storms: list[Seen], *, is_promised: bool) -> bool:
    """Print after how long refusals came, in the middle round, and return whether it is as promised."""
    found = [sorted(took_s * 1000 for took_s in storm.refused_s) for storm in storms if storm.refused_s]
    if not found:
        return not is_promised
    p50, p99, most = (statistics.median(at(took_ms, share) for took_ms in found) for share in (0.5, 0.99, 1.0))
    asked = sum(sum(storm.asked.values()) for storm in storms)
    own_ms = at(sorted(took_ms for storm in storms for took_ms in storm.overhead_ms), 0.99)
    is_quick = p99 <= PROMISED_MS
    promise = f"   promised <= {PROMISED_MS:g} ms   {verdict(is_quick)}" if is_promised else ""
    print(
        f"{'':<26} {sum(map(len, found)) / asked:.0%} refused: p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
        f"at most {most:.1f} ms, of which in the gateway p99 {own_ms:.1f} ms{promise}"
    )
    return is_quick


def at(values: list[float], share: float) -> float:
    """Return the value that so many of the sorted ones do not exceed."""
    return values[int((len(values) - 1) * share)]


def verdict(is_kept: bool) -> str:
    return "kept" if is_kept else "NOT KEPT"


async def main(rounds: int = ROUNDS, for_s: float = MEASURED_S, learned_s: float = LEARNED_S) -> bool:
    vendor = Vendor()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", vendor.chat)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    gc.freeze()
    try:
        is_kept = told("a limit", await measured(url, FIXED, rounds, for_s), is_promised=True)
        told("the same, two tenants", await measured(url, FIXED, min(2, rounds), for_s, quiet_per_s=QUIET_PER_S))
        told("a limit that adapts", await measured(url, ADAPTIVE, min(2, rounds), for_s, learned_s=learned_s))
        told("no limit", await measured(url, "", 1, for_s))
    finally:
        gc.unfreeze()
        await runner.cleanup()
    return is_kept


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)

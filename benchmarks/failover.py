"""How much later an answer comes where the first target refuses at once, and how often vendors are asked when all fail.

    python benchmarks/failover.py       also a part of `make bench`; exits 1 where a promise is not kept

A process of the gateway stands before simulated vendors. Calls whose first target answers 503 are compared with calls
that go to the second alone, in turns in one run, since machines are noisy; no breaker spares them the first. What the
vendor takes to refuse is a part of what is measured. Then every target fails, as often as the route would try.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.harness import process
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

ROUNDS = 10
CALLS = 100  # of each kind in a round
ALL_FAIL = 300
P50_MS, P99_MS, ATTEMPTS = 5.0, 20.0, 1.2

PROVIDERS = """
version: 1
providers:
  first: {{plugin: openai, base_url: {first}, credentials: {{api_key: {key}}}, {breaker}
          models: {{gpt-4o-mini: {{operation: chat}}}}}}
  second: {{plugin: openai, base_url: {second}, credentials: {{api_key: {key}}}, {breaker}
           models: {{gpt-4o: {{operation: chat}}}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: error}
keys: {anonymous: loopback}
models:
  alone: {operation: chat, targets: [second/gpt-4o]}
  failing: {operation: chat, targets: [first/gpt-4o-mini, second/gpt-4o]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
"""
MESSAGES = [{"role": "user", "content": "a few words"}]


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds that a refusal adds to a call, and attempts for each request when all fail."""

    p50_ms: float
    p99_ms: float
    attempts: float


async def measure(folder: Path, rounds: int = ROUNDS, calls: int = CALLS, all_fail: int = ALL_FAIL) -> Figures:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(OpenAIServer(kept_requests=10))
        second = await stack.enter_async_context(OpenAIServer(kept_requests=10))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        for name in ("never", "usual"):
            (folder / name).mkdir()
        providers = {"first": first.base_url, "second": second.base_url, "key": API_KEY}
        never = PROVIDERS.format(**providers, breaker="breaker: none,")
        gateway = await stack.enter_async_context(process(folder / "never", never, ROUTES))
        first.faults.add(Fault("status", status=503, times=None))
        await took_ms(http, gateway.url, "failing", calls)  # for warming up
        p50, p99 = [], []
        for _ in range(rounds):
            alone = await took_ms(http, gateway.url, "alone", calls)
            failing = await took_ms(http, gateway.url, "failing", calls)
            p50.append(at(failing, 0.5) - at(alone, 0.5))
            p99.append(at(failing, 0.99) - at(alone, 0.5))
        usual = await stack.enter_async_context(
            process(folder / "usual", PROVIDERS.format(**providers, breaker=""), ROUTES)
        )
        second.faults.add(Fault("status", status=503, times=None))
        before = first.request_count + second.request_count
        await took_ms(http, usual.url, "failing", all_fail, status=503)
        attempts = (first.request_count + second.request_count - before) / all_fail
    return Figures(statistics.median(p50), statistics.median(p99), attempts)


async def took_ms(http: aiohttp.ClientSession, url: str, model: str, calls: int, *, status: int = 200) -> list[float]:
    """Return how long each call took, sorted."""
    took = []
    for _ in range(calls):
        began_s = time.perf_counter()
        async with http.post(f"{url}/v1/chat/completions", json={"model": model, "messages": MESSAGES}) as answer:
            await answer.read()
        if answer.status != status:
            raise AssertionError(f"{model} was answered with {answer.status} in the place of {status}")
        took.append((time.perf_counter() - began_s) * 1000)
    return sorted(took)


def at(values: list[float], share: float) -> float:
    """Return the value that so many of the sorted ones do not exceed."""
    return values[int((len(values) - 1) * share)]


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        found = asyncio.run(measure(Path(folder)))
    rows = (
        ("a first target that refuses adds, ms at p50", found.p50_ms, P50_MS),
        ("the same at p99", found.p99_ms, P99_MS),
        ("attempts for each request when all fail", found.attempts, ATTEMPTS),
    )
    for name, value, promised in rows:
        verdict = "kept" if value <= promised else "NOT KEPT"
        print(f"{name:<48}{value:>8.2f}  promised {promised:g}  {verdict}")
    return 0 if all(value <= promised for _, value, promised in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

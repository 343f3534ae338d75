"""Measure what breakers cost a call: where all is well, and where its first target is ejected.

    python benchmarks/breakers.py       also a part of `make bench`; exits 1 where the promise is not kept

The link is the gateway's own failover around targets that answer at once, so that there is nothing else to be seen.
Calls with the first of two targets ejected are compared with calls that have the second alone, in turns. Processor time
is taken, since nothing of it waits and machines are noisy.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.chain import close, compose
from gateway.config.load import load
from gateway.errors import UpstreamUnavailable
from gateway.middlewares import failover
from gateway.services import open_services
from gateway.types import Call, Chat, Done, Event, Handler, Head, Message, Receipt, Reply, Target, Text, TextDelta

ROUNDS = 9
CALLS = 3_000
PROMISED_MS = 1.0

ROW = "{plugin: sandbox, models: {chat: {operation: chat}}"
PROVIDERS = f"""
version: 1
providers:
  first: {ROW}, breaker: {{open_s: 3600, max_open_s: 3600}}}}
  second: {ROW}}}
  plain: {ROW}, breaker: none}}
"""
ROUTES = """
version: 1
keys: {anonymous: always}
models: {chat: {operation: chat, targets: [first/chat, second/chat, plain/chat]}}
routes: [{path: /v1/chat/completions, dialect: openai.chat}]
"""
CHAT = Chat((Message("user", (Text("hello"),)),))


@dataclass(frozen=True, slots=True)
class Figures:
    """Microseconds of processor time that are added to a call."""

    closed_us: float
    open_us: float
    open_p99_us: float


async def answer(call: Call) -> Reply:
    assert call.target is not None
    if call.target.name == "first/chat":
        raise UpstreamUnavailable("it is away")
    return Reply(events())


async def events() -> AsyncIterator[Event]:
    yield TextDelta("hello")
    yield Done()


async def run(handler: Handler, targets: tuple[Target, ...], calls: int) -> list[float]:
    """Return the processor time of each call, in microseconds."""
    loop = asyncio.get_running_loop()
    head = Head("request", "POST", "/v1/chat/completions", {}, {}, "10.0.0.1")
    took: list[float] = []
    gc.collect()
    for _ in range(calls):
        receipt = Receipt("request", loop.time(), model="chat")
        call = Call(
            "request", "chat", "openai.chat", "chat", CHAT, head, receipt,
            targets=targets, deadline_s=loop.time() + 60,
        )  # fmt: skip
        begun = time.thread_time()
        reply = await handler(call)
        async for _ in reply.events:
            pass
        await close(reply)
        took.append((time.thread_time() - begun) * 1e6)
    return took


async def measure(folder: Path, rounds: int = ROUNDS, calls: int = CALLS) -> Figures:
    (folder / "providers.yaml").write_text(PROVIDERS)
    (folder / "routes.yaml").write_text(ROUTES)
    services, config = open_services(), load(folder, {})
    services.breakers.use(config.targets())
    link = failover.build(config.routes[0], config, services)
    assert link is not None
    handler = compose([link], answer)
    first, second, plain = config.models[0].targets
    await run(handler, (first, second), 5)  # as many failures as eject it
    assert services.breakers.is_out(first)
    closed, opened, p99 = [], [], []
    for _ in range(rounds + 1):
        without = statistics.median(await run(handler, (plain,), calls))
        alone = sorted(await run(handler, (second,), calls))
        passed_by = sorted(await run(handler, (first, second), calls))
        closed.append(statistics.median(alone) - without)
        opened.append(statistics.median(passed_by) - statistics.median(alone))
        p99.append(passed_by[len(passed_by) * 99 // 100] - alone[len(alone) // 2])
    await services.aclose()
    return Figures(*(statistics.median(found[1:]) for found in (closed, opened, p99)))  # the first is for warming up


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        found = asyncio.run(measure(Path(folder)))
    is_kept = found.open_p99_us <= PROMISED_MS * 1000
    print(f"{'a closed breaker adds to a call, µs':<48}{found.closed_us:>8.2f}")
    print(f"{'an open breaker adds to a call, µs':<48}{found.open_us:>8.2f}")
    print(
        f"{'the same at p99, ms':<48}{found.open_p99_us / 1000:>8.3f}  promised {PROMISED_MS:g}  "
        f"{'kept' if is_kept else 'NOT KEPT'}"
    )
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())

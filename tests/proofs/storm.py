"""Clients that leave at random moments, over pooled connections: whoever stays gets the answer to his own question.

    python -m tests.proofs.storm --requests 175000       # another --seed for others

Connections to vendors are given back after an answer, or cut when a client goes; were one given back with the rest of
an answer in it, somebody would read what another asked. Every request has an id of its own in its text, in its header,
and in what comes back.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.harness import ROUTES, Process, process
from tests.proofs.faults.work import WORKS, Seen, told
from tests.vendors import anthropic, openai

CLIENTS = 32
LEAVES = 0.6  # of the requests: their clients go before the answer is complete
WITHIN_S = 0.03  # an answer takes about half of that
QUIET_S = 10.0  # until nothing is under way, once all have gone
_CHAT, _STREAM = WORKS[0], WORKS[1]

PROVIDERS = """
version: 1
providers:
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    models: {{gpt-4o-mini: {{operation: chat}}}}
  anthropic:
    plugin: anthropic
    base_url: {anthropic}
    credentials: {{api_key: {anthropic_key}}}
    models: {{claude-haiku-4-5: {{operation: chat}}}}
"""
MODELS = {"same": "openai/gpt-4o-mini", "other": "anthropic/claude-haiku-4-5"}  # as the client speaks, and not
STORM_ROUTES = (
    ROUTES.partition("models:")[0]
    + "models:\n"
    + "".join(f"  {name}: {{operation: chat, targets: [{target}]}}\n" for name, target in MODELS.items())
    + "routes:\n  - {path: /v1/chat/completions, dialect: openai.chat}\n"
)


@dataclass
class Outcome:
    """What became of the requests, by what their clients saw; `faults` are of the product."""

    counts: Counter[str] = field(default_factory=Counter)  # complete, left, broken
    faults: list[str] = field(default_factory=list)


async def storm(folder: Path, requests: int, seed: int) -> Outcome:
    """Send so many requests, and return what is wrong."""
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(openai.OpenAIServer(event_interval_s=0.001, kept_requests=10))
        second = await stack.enter_async_context(anthropic.AnthropicServer(event_interval_s=0.001, kept_requests=10))
        providers = PROVIDERS.format(
            openai=first.base_url, openai_key=openai.API_KEY, anthropic=second.base_url, anthropic_key=anthropic.API_KEY
        )
        gateway = await stack.enter_async_context(process(folder, providers, STORM_ROUTES))
        connector = aiohttp.TCPConnector(limit=CLIENTS)
        client = await stack.enter_async_context(aiohttp.ClientSession(gateway.url, connector=connector))
        numbers = iter(range(requests))
        chance = random.Random(seed)
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(_ask_on(client, numbers, chance, outcome))
        outcome.faults += await _left_behind(client, gateway)
    return outcome


async def _ask_on(
    client: aiohttp.ClientSession, numbers: Iterator[int], chance: random.Random, outcome: Outcome
) -> None:
    for number in numbers:
        is_streamed, model = chance.random() < 0.6, chance.choice(tuple(MODELS))
        after_s = chance.uniform(0, WITHIN_S) if chance.random() < LEAVES else None
        asking = asyncio.create_task(_ask(client, number, model, is_streamed=is_streamed))
        done, _ = await asyncio.wait((asking,), timeout=after_s)
        if not done:
            asking.cancel()
        try:
            seen = await asking
        except asyncio.CancelledError:
            outcome.counts["left"] += 1
            continue
        outcome.counts["complete"] += 1
        outcome.faults += wrong(number, model, seen, is_streamed=is_streamed)


async def _ask(client: aiohttp.ClientSession, number: int, model: str, *, is_streamed: bool) -> Seen:
    body = {"model": model, "stream": is_streamed, "messages": [{"role": "user", "content": _text(number)}]}
    headers = {"x-request-id": f"storm-{number:06d}"}
    started_s = time.monotonic()
    async with client.post("/v1/chat/completions", json=body, headers=headers) as answer:
        content = await answer.read()
        told_headers = {name.lower(): value for name, value in answer.headers.items()}
        return Seen(answer.status, content, True, told_headers, time.monotonic() - started_s)


def _text(number: int) -> str:
    return f"number {number} is what this one asks about"


def wrong(number: int, model: str, seen: Seen, *, is_streamed: bool) -> list[str]:
    """Return what of an answer is not what this request asked for."""
    wanted = f"{MODELS[model]} echoes: {_text(number)}".encode()
    got = told(_STREAM if is_streamed else _CHAT, seen)
    faults = []
    if not got.is_complete or got.content != wanted:
        faults.append(f"{number} got {seen.status} {got.content or seen.body!r}, {got.error}")
    if seen.headers.get("x-request-id") != f"storm-{number:06d}":
        faults.append(f"{number} got the id {seen.headers.get('x-request-id')}")
    return faults


async def _left_behind(client: aiohttp.ClientSession, gateway: Process) -> list[str]:
    """Return what is under way when all have left, and what the log complains of."""
    faults = [f"the log says {line}" for line in gateway.log if line["level"] not in ("info", "warning")]
    count = 0.0
    try:
        async with asyncio.timeout(QUIET_S):
            while (count := await _in_flight(client) - 1) > 0:  # the one that asks
                await asyncio.sleep(0.05)
    except TimeoutError:
        faults.append(f"{count} requests are under way for nobody")
    return faults


async def _in_flight(client: aiohttp.ClientSession) -> float:
    async with client.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith("gateway_requests_in_flight")))


def main() -> int:
    parser = argparse.ArgumentParser(description="leave at random moments, and look at what the others get")
    parser.add_argument("--requests", type=int, default=175_000)
    parser.add_argument("--seed", type=int, default=20_261_129)
    given = parser.parse_args()
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # vendors whose clients leave say so
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gateway-storm-") as folder:
        outcome = asyncio.run(storm(Path(folder), given.requests, given.seed))
    sys.stdout.write("".join(f"{fault}\n" for fault in outcome.faults[:50]))
    took_s = time.monotonic() - started_s
    counts = ", ".join(f"{count} {name}" for name, count in sorted(outcome.counts.items()))
    sys.stdout.write(f"{given.requests} requests in {took_s:.0f} s: {counts}; faults: {len(outcome.faults)}\n")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())

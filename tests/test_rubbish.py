"""A request that is over is freed at once: nothing of it waits for the collector, whose looks hold up all others.

Objects that hold each other in a circle would: an answer that knows who observes it, who knows the answer. Of an answer
that broke off some does wait, for the error's trace holds the frames that hold the error.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness import ROUTES, inside

PROVIDERS = """
version: 1
providers:
  sandbox:
    plugin: sandbox
    models:
      chat: {operation: chat, price: {usd_per_request: 1}}
      busy: {operation: chat, price: {usd_per_request: 1}, options: {fault: rate_limited}}
      speech: {operation: speech}
      embed: {operation: embeddings}
"""
MODELS = """
  chat: {operation: chat, targets: [sandbox/chat]}
  away: {operation: chat, targets: [sandbox/busy, sandbox/chat]}
  busy: {operation: chat, targets: [sandbox/busy]}
  speak: {operation: speech, targets: [sandbox/speech]}
  embed: {operation: embeddings, targets: [sandbox/embed]}
"""
LIMITED = (
    ROUTES.partition("models:")[0]
    + f"models:{MODELS}routes:\n"
    + "  - {path: /v1/chat/completions, dialect: openai.chat, quota: {requests: 9999/hour, budget: 9999 USD/day}}\n"
    + "  - {path: /kept/chat/completions, dialect: openai.chat, cache: {ttl_s: 60}}\n"
    + "  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}\n"
    + "  - {path: /v1/embeddings, dialect: openai.embeddings, model: embed}\n"
    + "stores: {database_url: 'sqlite:gateway.db'}\n"
)
TIMES = 10
SAID = [{"role": "user", "content": "Say something that is worth the while."}]


@contextmanager
def rubbish() -> Iterator[Counter[str]]:
    """Count what the gateway left in circles meanwhile, by type."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        names = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage)
        found.update(name for name in names if name.startswith(("gateway.", "sandbox", "gateway_plugins")))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def asked(client: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> int:
    async with client.post(path, json=body) as answer:
        await answer.read()
        return answer.status


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", {"model": "chat", "messages": SAID}, 200),
        ("/v1/chat/completions", {"model": "chat", "messages": SAID, "stream": True}, 200),
        ("/v1/chat/completions", {"model": "away", "messages": SAID}, 200),
        ("/kept/chat/completions", {"model": "chat", "messages": SAID}, 200),
        ("/v1/audio/speech", {"model": "speak", "voice": "nova", "input": "Good morning."}, 200),
        ("/v1/embeddings", {"model": "embed", "input": "Good morning."}, 200),
        ("/v1/chat/completions", {"model": "chat"}, 400),
        ("/v1/chat/completions", {"model": "busy", "messages": SAID}, 429),
    ],
    ids=["whole", "stream", "failover", "cached", "speech", "embeddings", "refused", "failed"],
)
async def test_a_request_that_is_over_is_freed_at_once(
    tmp_path: Path, path: str, body: dict[str, Any], status: int
) -> None:
    async with inside(tmp_path, PROVIDERS, LIMITED) as gateway, aiohttp.ClientSession(gateway.url) as client:
        assert await asked(client, path, body) == status
        await gateway.services.ledger.flush()
        with rubbish() as left:
            for _ in range(TIMES):
                assert await asked(client, path, body) == status
            await gateway.services.ledger.flush()
            await asyncio.sleep(0.1)
        assert left == {}


async def test_the_test_sees_what_is_left() -> None:
    with rubbish() as left:
        circle = _Circle()
        circle.itself = circle
        del circle
    assert left == {"gateway.circle.Circle": 1}


class _Circle:
    itself: _Circle


_Circle.__module__, _Circle.__qualname__ = "gateway.circle", "Circle"

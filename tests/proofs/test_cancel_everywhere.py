"""A request that is cancelled, that times out, or whose client leaves, at each of its awaits in turn: nothing stays
held or in flight, and its row is there once, settled, from the moment on at which it was opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.server.app import Gateway
from gateway.server.cors import Asked
from tests.harness import ROUTES, SANDBOX, Inside, inside
from tests.proofs.stepping import Interrupted, cancel
from tests.stores.entries import asked, rows, sums_are_those_of_the_rows

MOST_WAITS = 300  # a request that still waits then never ends
SPEECH = {"model": "speak", "voice": "alloy", "input": "good morning", "response_format": "wav"}
PACED = SANDBOX.replace("{operation: chat,", "{operation: chat, options: {tokens_per_s: 500},")
LIMITED = (
    ROUTES.replace("dialect: openai.chat}", "dialect: openai.chat, cache: {ttl_s: 600}}")
    + "cache: {max_bytes: 1000000}\n"
    + "stores: {database_url: 'sqlite:gateway.db'}\n"
    + "limits: {all: {per: [], concurrent: 3, budget: 100 USD total, tokens: 100000000/day, requests: 100000/day}}\n"
)
HOWS = ("cancelled", "timed out", "left")


@dataclass
class Interrupter:
    """What happens to the next requests. `happened` says whether it came to it for the last one."""

    how: str = ""
    at: int = 0
    happened: bool = False


@pytest.fixture
def interrupter(monkeypatch: pytest.MonkeyPatch) -> Interrupter:
    """Stand between the server and every request that has a body."""
    wanted = Interrupter()
    serve = Gateway.serve

    async def interrupted(self: Gateway, request: Asked) -> web.StreamResponse:
        def happen() -> None:
            if wanted.how == "cancelled":
                cancel()
            elif wanted.how == "timed out":
                limit.reschedule(asyncio.get_running_loop().time())
            elif request.transport is not None:
                request.transport.abort()

        if not wanted.how:
            return await serve(self, request)
        stepped = Interrupted(serve(self, request), wanted.at, happen)
        try:
            async with asyncio.timeout(None) as limit:
                return await stepped  # type: ignore[no-any-return]
        finally:
            wanted.happened = stepped.has_happened

    monkeypatch.setattr(Gateway, "serve", interrupted)
    return wanted


@dataclass
class Case:
    name: str
    path: str
    body: dict[str, Any] | None = None  # None: a recording
    is_fresh: bool = True  # another text each time, so that no answer comes from the cache


CASES = [
    Case("plain", "/v1/chat/completions", {"model": "chat"}),
    Case("streamed", "/v1/chat/completions", {"model": "chat", "stream": True}),
    Case("cached", "/v1/chat/completions", {"model": "chat"}, is_fresh=False),
    Case("speech", "/v1/audio/speech", SPEECH),
    Case("embeddings", "/v1/embeddings", {"model": "embed", "input": "a text"}),
    Case("transcription", "/v1/audio/transcriptions"),
]


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Inside, aiohttp.ClientSession, bytes]]:
    async with inside(folder, PACED, LIMITED) as gateway:
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(gateway.url, connector=connector) as client:
            async with client.post("/v1/audio/speech", json=SPEECH) as answer:
                yield gateway, client, await answer.read()


async def ask(client: aiohttp.ClientSession, case: Case, request_id: str, recording: bytes) -> None:
    """Send the request, and take whatever becomes of it."""
    data: Any = None
    body = None if case.body is None else dict(case.body)
    if body is None:
        data = aiohttp.FormData({"model": "transcribe"})
        data.add_field("file", recording, filename="a.wav", content_type="audio/wav")
    elif body["model"] == "chat":
        body["messages"] = [{"role": "user", "content": f"one two three {request_id if case.is_fresh else ''}"}]
    try:
        async with client.post(case.path, json=body, data=data, headers={"x-request-id": request_id}) as answer:
            await answer.read()
    except (aiohttp.ClientError, ConnectionError):
        pass


async def over(gateway: Inside) -> None:
    """Wait until no request is under way; fails where one never ends."""
    async with asyncio.timeout(5):
        while gateway.gateway.in_flight:
            await asyncio.sleep(0.001)
    await gateway.services.ledger.flush()


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_whatever_ends_a_request_at_whichever_await_leaves_nothing_behind(
    tmp_path: Path, interrupter: Interrupter, case: Case, how: str
) -> None:
    url = f"sqlite:{tmp_path / 'gateway.db'}"
    async with served(tmp_path) as (gateway, client, recording):
        await ask(client, case, "the-first-of-all", recording)
        await over(gateway)
        found: list[int] = []
        for at in range(MOST_WAITS):
            interrupter.how, interrupter.at = how, at
            request_id = f"request-{how.replace(' ', '-')}-{at}"
            await ask(client, case, request_id, recording)
            await over(gateway)
            assert gateway.services.limiter.local.held == 0, request_id
            its = await asyncio.to_thread(asked, url, "SELECT state FROM requests WHERE request_id = $1", request_id)
            assert its in ([], [("settled",)]), request_id
            found.append(len(its))
            if not interrupter.happened:
                break
        assert not interrupter.happened, "the request never came to its end"
        assert len(found) > 2 or not case.is_fresh  # what the cache answers waits for nothing
        assert found == sorted(found), "a row that was opened is lost"
        assert found[-1] == 1
        assert gateway.services.metrics.in_flight._value.get() == 0
        money = [row for _, row in gateway.services.limiter.local.subjects() if not isinstance(row, int)]
        costs = await asyncio.to_thread(rows, url, "cost_nano_usd")
        assert [(row.held, row.spent) for row in money] == [(0, sum(cost or 0 for (cost,) in costs))]
        assert sums_are_those_of_the_rows(url)

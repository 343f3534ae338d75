"""Attempts as vendors and clients see them, over real sockets: how many, when, and what is charged for them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.harness import inside, process
from tests.proofs.faults.work import WORKS, Seen, Work, told
from tests.stores.entries import asked
from tests.vendors import anthropic, openai
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.faults import Fault
from tests.vendors.openai import OpenAIServer
from tests.vendors.recording import RequestRecord

PROVIDERS = """
version: 1
providers:
  first:
    plugin: openai
    base_url: {first}
    credentials: {{api_key: {openai_key}}}
    models:
      gpt-4o: {{operation: chat, price: {{input_usd_per_mtok: 2.5, output_usd_per_mtok: 10}}}}
  second:
    plugin: anthropic
    base_url: {second}
    credentials: {{api_key: {anthropic_key}}}
    models:
      claude-haiku-4-5: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 5}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: warning}
keys: {anonymous: loopback}
stores: {database_url: 'sqlite:gateway.db'}
models:
  both: {operation: chat, targets: [first/gpt-4o, second/claude-haiku-4-5]}
  one: {operation: chat, targets: [first/gpt-4o]}
  long: {operation: chat, targets: [second/claude-haiku-4-5]}
defaults: {total_s: 30}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat, failover: {attempts: 3, backoff_s: 0.05}}
  - {path: /hedged/v1/chat/completions, dialect: openai.chat, failover: {hedge: {after_ms: 50, max_percent: 100}}}
  - {path: /continued/v1/chat/completions, dialect: openai.chat, failover: {continue: true}}
  - path: /other/v1/chat/completions
    dialect: openai.chat
    failover: {context_window: long, content_policy: {one: long}}
"""
WORDS = "the quick brown fox jumps over the lazy dog and runs away"
PATH = "/v1/chat/completions"
SLOW_S = 60.0


@dataclass
class Bench:
    url: str
    folder: Path
    client: aiohttp.ClientSession
    first: OpenAIServer
    second: AnthropicServer

    async def ask(self, model: str, path: str = "", *, stream: bool = False, request_id: str = "request-1") -> Seen:
        body = {"model": model, "messages": [{"role": "user", "content": WORDS}], "stream": stream}
        headers = {"x-request-id": request_id}
        began_s = time.monotonic()
        async with self.client.post(path + PATH, json=body, headers=headers) as answer:
            data, is_clean = b"", True
            try:
                async for chunk in answer.content.iter_any():
                    data += chunk
            except aiohttp.ClientPayloadError:
                is_clean = False
            heads = {name.lower(): value for name, value in answer.headers.items()}
            return Seen(answer.status, data, is_clean, heads, time.monotonic() - began_s)

    async def row(self, request_id: str) -> tuple[int, list[dict[str, Any]]]:
        """Return a request's cost and its attempts as the ledger has them, once it is settled."""
        url = f"sqlite:{self.folder / 'gateway.db'}"
        statement = "SELECT state, cost_nano_usd, attempts FROM requests WHERE request_id = $1"
        async with asyncio.timeout(10):
            while True:
                rows = await asyncio.to_thread(asked, url, statement, request_id)
                if rows and rows[0][0] == "settled":
                    return rows[0][1], json.loads(rows[0][2])
                await asyncio.sleep(0.02)

    @property
    def vendors(self) -> list[RequestRecord]:
        return [*self.first.requests, *self.second.requests]


@asynccontextmanager
async def vendors() -> AsyncIterator[tuple[str, OpenAIServer, AnthropicServer]]:
    """Run both vendors; yield providers.yaml and them."""
    async with OpenAIServer(identity="first") as first, AnthropicServer(identity="second") as second:
        providers = PROVIDERS.format(
            first=first.base_url,
            second=second.base_url,
            openai_key=openai.API_KEY,
            anthropic_key=anthropic.API_KEY,
        )
        yield providers, first, second


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Bench]:
    async with (
        vendors() as (providers, first, second),
        inside(tmp_path, providers, ROUTES) as gateway,
        aiohttp.ClientSession(gateway.url) as client,
    ):
        yield Bench(gateway.url, tmp_path, client, first, second)


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Bench]:
    """The gateway as a process of its own, for what depends on how many things happen at once."""
    async with (
        vendors() as (providers, first, second),
        process(tmp_path, providers, ROUTES) as gateway,
        aiohttp.ClientSession(gateway.url) as client,
    ):
        yield Bench(gateway.url, tmp_path, client, first, second)


def text_of(seen: Seen, *, stream: bool = True) -> str:
    work: Work = WORKS[1] if stream else WORKS[0]
    answer = told(work, seen)
    assert answer.is_complete, seen
    return answer.content.decode()


# ---------------------------------------------------------------- how many


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 40])
async def test_a_full_outage_sees_a_fifth_more_attempts_than_requests_at_most(apart: Bench, at_once: int) -> None:
    requests = 200
    for vendor in (apart.first, apart.second):
        vendor.faults.add(Fault("status", status=503, times=None))
    statuses: Counter[int] = Counter()
    for _ in range(requests // at_once):
        statuses.update(seen.status for seen in await asyncio.gather(*(apart.ask("both") for _ in range(at_once))))
    assert statuses == {503: requests}
    assert requests < len(apart.vendors) <= 1.2 * requests


@pytest.mark.slow
async def test_an_outage_of_the_first_costs_nobody_an_answer(apart: Bench) -> None:
    apart.first.faults.add(Fault("status", status=503, times=None))
    seen = await asyncio.gather(*(apart.ask("both") for _ in range(100)))
    assert Counter(one.status for one in seen) == {200: 100}
    assert len(apart.second.requests) == 100


async def test_a_vendor_that_says_when_is_asked_again_then(running: Bench) -> None:
    running.first.faults.add(Fault("status", status=429, retry_after_ms=300))
    seen = await running.ask("one")
    assert seen.status == 200
    refused, asked_again = running.first.requests
    assert asked_again.arrived_at_s - refused.arrived_at_s >= 0.3
    assert seen.headers["x-gateway-attempts"] == "2"


async def test_nothing_is_asked_after_the_client_has_left_a_back_off(running: Bench) -> None:
    running.first.faults.add(Fault("status", status=429, retry_after_ms=500, times=None))
    asking = asyncio.create_task(running.ask("one", request_id="client-left"))
    await running.first.wait_for_requests(1)
    await running.first.requests[0].wait_ended()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    _, attempts = await running.row("client-left")
    assert [attempt["outcome"] for attempt in attempts] == ["upstream_rate_limited"]
    await asyncio.sleep(0.8)  # longer than the wait would have been
    assert len(running.first.requests) == 1


# ---------------------------------------------------------------- beside each other


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hedge_answers_in_place_of_a_slow_first_which_is_left_at_once(running: Bench, stream: bool) -> None:
    running.first.faults.add(Fault("slow_first_event" if stream else "slow_headers", delay_s=SLOW_S))
    seen = await running.ask("both", "/hedged", stream=stream, request_id="hedged-1")
    assert "second" in text_of(seen, stream=stream)
    assert seen.seconds < 10
    assert seen.headers["x-gateway-provider"] == "second"
    loser = await running.first.requests[0].wait_ended()
    assert loser.outcome == "client_closed"
    cost, attempts = await running.row("hedged-1")
    assert [(each["target"], each["why"], each["outcome"]) for each in attempts] == [
        ("first/gpt-4o", "first", "hedge_lost"),
        ("second/claude-haiku-4-5", "hedge", "ok"),
    ]
    assert all(each["cost_nano_usd"] > 0 for each in attempts)  # the loser has read the prompt, too
    assert cost == sum(each["cost_nano_usd"] for each in attempts)


async def test_a_hedge_is_not_needed_where_the_first_is_quick(running: Bench) -> None:
    for _ in range(5):
        assert (await running.ask("both", "/hedged")).status == 200
    assert len(running.second.requests) <= 1  # a busy machine may be slow once


# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("kind", ["cut_mid_stream", "cut_without_terminator", "malformed_event", "error_event_in_200"])
async def test_a_text_that_breaks_off_is_gone_on_with_and_the_stream_says_so(running: Bench, kind: Any) -> None:
    running.first.faults.add(Fault(kind, after_events=4))
    seen = await running.ask("both", "/continued", stream=True, request_id="continued-1")
    text = text_of(seen)
    assert text.startswith("first/gpt-4o")
    assert "second/claude-haiku-4-5" in text
    assert seen.body.count(b"[DONE]") == 1
    assert b"\n: continued by second/claude-haiku-4-5\n\n" in seen.body
    given = running.second.requests[0].json()["messages"]
    assert given[-2]["role"] == "assistant"
    cost, attempts = await running.row("continued-1")
    assert [each["why"] for each in attempts] == ["first", "continue"]
    assert cost == sum(each["cost_nano_usd"] for each in attempts)


async def test_the_official_client_reads_a_continued_stream_as_one_answer(running: Bench) -> None:
    running.first.faults.add(Fault("cut_mid_stream", after_events=4))
    async with AsyncOpenAI(base_url=running.url + "/continued/v1", api_key="any", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="both", messages=[{"role": "user", "content": WORDS}], stream=True
        )
        text = "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])
    assert "second/claude-haiku-4-5" in text


async def test_without_it_the_same_break_is_an_error_and_no_end(running: Bench) -> None:
    running.first.faults.add(Fault("cut_mid_stream", after_events=4))
    seen = await running.ask("both", stream=True)
    assert (seen.status, seen.is_clean) == (200, False)
    assert b'"error"' in seen.body
    assert b"[DONE]" not in seen.body
    assert not running.second.requests


# ---------------------------------------------------------------- another model


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_policy_violation"])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_model_cannot_take_goes_to_the_one_that_is_named(running: Bench, code: str, stream: bool) -> None:
    running.first.faults.add(Fault("status", status=400, code=code))
    seen = await running.ask("one", "/other", stream=stream)
    assert text_of(seen, stream=stream).startswith("second/")
    fault = "context_window" if code == "context_length_exceeded" else "content_policy"
    assert seen.headers["x-gateway-fallback"] == f"one -> long ({fault})"


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_policy_violation"])
async def test_where_none_is_named_the_client_hears_why(running: Bench, code: str) -> None:
    running.first.faults.add(Fault("status", status=400, code=code))
    seen = await running.ask("one")
    assert seen.status == 400
    assert json.loads(seen.body)["error"]["code"] == code
    assert not running.second.requests

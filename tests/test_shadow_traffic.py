"""Shadows over real sockets: what they are sent, what it costs whom, and that no caller is the worse for them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.errors import TargetLimited
from gateway.stores.ledger import usage
from tests.harness import Process, process
from tests.stores.entries import rows
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", shutdown_s: 2}
keys: {anonymous: loopback}
stores: {database_url: 'sqlite:gateway.db'}
limits:
  money: {per: [], budget: 100 USD total}
  vendor: {per: [provider], only: {provider: [new]}, budget: 27 USD total}
models:
  fast: {operation: chat, targets: [old/gpt-5.4-mini], shadow: {target: new/gpt-5.4-mini, percent: 100, in_flight: 3}}
  speak: {operation: speech, targets: [old/tts-1], shadow: {target: new/tts-1, percent: 100}}
  hear: {operation: transcription, targets: [old/whisper-1], shadow: {target: new/whisper-1, percent: 100}}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/audio/speech, dialect: openai.speech}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription}
"""


def row(name: str, url: str, usd: int) -> str:
    return f"""
  {name}:
    plugin: openai
    base_url: {url}
    credentials: {{api_key: {API_KEY}}}
    breaker: none
    models:
      gpt-5.4-mini: {{operation: chat, price: {{usd_per_request: {usd}}}}}
      tts-1: {{operation: speech, price: {{usd_per_request: {usd}}}}}
      whisper-1: {{operation: transcription, price: {{usd_per_request: {usd}}}}}
"""


@dataclass
class Setup:
    gateway: Process
    http: aiohttp.ClientSession
    old: OpenAIServer
    new: OpenAIServer

    async def ask(self, **more: Any) -> aiohttp.ClientResponse:
        body = {"model": "fast", "messages": [{"role": "user", "content": "one two three"}], **more}
        async with self.http.post("/v1/chat/completions", json=body) as answer:
            await answer.read()
            return answer

    async def shadow_line(self, request_id: str) -> dict[str, Any]:
        return await self.gateway.wait_for_log(lambda line: line.get("request_id") == f"{request_id}-shadow")

    async def metric(self, start: str) -> float:
        async with self.http.get("/metrics") as answer:
            text = await answer.text()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(start))


@asynccontextmanager
async def running(folder: Path, old: OpenAIServer, new: OpenAIServer) -> AsyncIterator[Setup]:
    providers = "version: 1\nproviders:" + row("old", old.base_url, 1) + row("new", new.base_url, 5)
    async with process(folder, providers, ROUTES) as gateway, aiohttp.ClientSession(gateway.url) as http:
        yield Setup(gateway, http, old, new)


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with OpenAIServer(identity="old") as old, OpenAIServer(identity="new") as new:
        async with running(tmp_path, old, new) as begun:
            yield begun


async def test_each_kind_of_work_is_copied_and_none_of_it_is_billed_to_its_caller(setup: Setup, tmp_path: Path) -> None:
    answers = [await setup.ask(), await setup.ask(stream=True)]
    speech = {"model": "speak", "input": "one two", "voice": "nova", "response_format": "wav"}
    async with setup.http.post("/v1/audio/speech", json=speech) as answer:
        sound = await answer.read()
        answers.append(answer)
    for repeats in (1, 200):  # in memory, and on disk
        form = aiohttp.FormData({"model": "hear"})
        form.add_field("file", io.BytesIO(longer(sound, repeats)), filename="a.wav", content_type="audio/wav")
        async with setup.http.post("/v1/audio/transcriptions", data=form) as answer:
            assert (answer.status, bool((await answer.json())["text"])) == (200, True)
            answers.append(answer)

    for number, answer in enumerate(answers, start=1):
        assert answer.status == 200
        assert (answer.headers["x-gateway-provider"], answer.headers["x-gateway-attempts"]) == ("old", "1")
        if "x-gateway-cost-usd" in answer.headers:  # a stream's head is sent before
            assert answer.headers["x-gateway-cost-usd"] == "1.000000000"
        assert answer.headers["x-gateway-budget-left-usd"] == f"{100 - number:.9f}"
        line = await setup.shadow_line(answer.headers["x-request-id"])
        assert (line["message"], line["outcome"], line["cost_usd"]) == ("shadow", "ok", 5.0)
        assert str(line["answered_by"]).startswith("old/")
        assert str(line["attempts"][0][0]).startswith("new/")
    assert (len(setup.old.requests), len(setup.new.requests), setup.new.refused) == (5, 5, [])
    for mine, copy in zip(setup.old.requests, setup.new.requests, strict=True):
        assert (mine.target, len(mine.body)) == (copy.target, len(copy.body))
    big = longer(sound, 200)
    assert len(big) > 1_048_576
    assert setup.new.requests[4].body.count(big) == 1
    assert await setup.metric('gateway_shadow_requests_total{outcome="ok"') == 5
    assert await setup.metric("gateway_shadow_cost_usd_total") == 25
    assert (await setup.metric("gateway_cost_usd_total"), await setup.metric("gateway_requests_total")) == (5, 5)

    assert await setup.gateway.stop() == 0
    kept = f"sqlite:{tmp_path}/gateway.db"
    sums = {line.name: line.sums["cost_nano_usd"] / 1e9 for line in usage(kept, "key", "")}
    assert sums == {"ip:127.0.0.1": 5, "(shadow)": 25}
    assert set(rows(kept, "state, outcome, status, route = '(shadow)', provider")) == {
        ("settled", "ok", 200, 0, "old"),
        ("settled", "ok", 200, 1, "new"),
    }
    async with running(tmp_path, setup.old, setup.new) as again:  # budgets continue, without what shadows used
        answer = await again.ask()
        assert answer.headers["x-gateway-budget-left-usd"] == "94.000000000"
        line = await again.shadow_line(answer.headers["x-request-id"])  # the vendor's budget did count them
        assert (line["outcome"], len(setup.new.requests)) == (TargetLimited.code, 5)


def longer(sound: bytes, repeats: int) -> bytes:
    """Return a WAV file with its samples so many times over."""
    samples = sound[44:] * repeats
    sizes = (len(samples) + 36).to_bytes(4, "little"), len(samples).to_bytes(4, "little")
    return sound[:4] + sizes[0] + sound[8:40] + sizes[1] + samples


FAULTS = (
    Fault("status", status=500),
    Fault("status", status=429, retry_after_s=30),
    Fault("refuse"),
    Fault("truncated_json"),
    Fault("cut_mid_stream"),
    Fault("malformed_event"),
)


async def test_a_shadow_that_fails_is_nobodys_failure(setup: Setup) -> None:
    for number, fault in enumerate(FAULTS, start=1):
        setup.new.faults.add(fault)
        answer = await setup.ask(stream=fault.kind in ("cut_mid_stream", "malformed_event"))
        assert (answer.status, answer.headers["x-gateway-provider"]) == (200, "old")
        line = await setup.shadow_line(answer.headers["x-request-id"])
        assert line["outcome"] not in ("ok", "cancelled", "dropped"), fault
        assert await setup.metric("gateway_shadow_requests_total{outcome=") == number


async def test_one_that_hangs_holds_nobody_up_neither_calls_nor_the_stop(setup: Setup, tmp_path: Path) -> None:
    setup.new.faults.add(Fault("slow_headers", delay_s=60.0, times=None))
    answers = await asyncio.gather(*(setup.ask() for _ in range(20)))
    assert {(answer.status, answer.headers["x-gateway-provider"]) for answer in answers} == {(200, "old")}
    await setup.new.wait_for_requests(3)
    assert await setup.metric('gateway_shadow_requests_total{outcome="dropped"') == 17
    assert len(setup.new.requests) == 3
    assert await setup.gateway.stop() == 0
    states = rows(f"sqlite:{tmp_path}/gateway.db", "state, outcome, status")
    assert sorted(states) == sorted([("settled", "ok", 200)] * 20 + [("settled", "cancelled", 499)] * 3)


async def test_what_its_caller_did_not_stay_for_is_not_copied(setup: Setup) -> None:
    setup.old.faults.add(Fault("stall_mid_stream", after_events=3, delay_s=60.0))
    body = {"model": "fast", "stream": True, "messages": [{"role": "user", "content": "one two three"}]}
    stream = await setup.http.post("/v1/chat/completions", json=body)
    await stream.content.readany()
    stream.close()
    await setup.gateway.wait_for_log(lambda line: line.get("status") == 499)
    answer = await setup.ask()
    await setup.shadow_line(answer.headers["x-request-id"])
    assert len(setup.new.requests) == 1

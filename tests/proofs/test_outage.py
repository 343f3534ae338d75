"""A vendor is away for some seconds under load: it sees a handful of requests and one now and then, no client sees a
failure, and its traffic is back soon after it is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.harness import process
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

RATE_PER_S = 50
OUTAGE_S = 6.0
BACK_S = 5.0  # the promise: so long after the recovery its traffic is back
OPENED_BY = 5  # breaker.consecutive, by default

PROVIDERS = """
version: 1
providers:
  first: {{plugin: openai, base_url: "{first}", credentials: {{api_key: "{key}"}}, models: {{gpt-4o-mini: {{operation: chat}}}}}}
  second: {{plugin: openai, base_url: "{second}", credentials: {{api_key: "{key}"}}, models: {{gpt-4o-mini: {{operation: chat}}}}}}
"""  # noqa: E501
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models: {chat: {operation: chat, targets: [first/gpt-4o-mini, second/gpt-4o-mini]}}
routes: [{path: /v1/chat/completions, dialect: openai.chat}]
"""
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


class Load:
    """Asks at a steady rate, and notes when, by whom and with which status each was answered."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url + "/v1/chat/completions"
        self._http = http
        self.answers: list[tuple[float, int, str]] = []

    async def run(self, for_s: float) -> None:
        begun_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(int(for_s * RATE_PER_S)):
                await asyncio.sleep(max(0.0, begun_s + number / RATE_PER_S - time.monotonic()))
                group.create_task(self._ask())

    async def _ask(self) -> None:
        sent_s = time.monotonic()
        async with self._http.post(self._url, json=CHAT) as response:
            await response.read()
            self.answers.append((sent_s, response.status, response.headers.get("x-gateway-provider", "")))


@pytest.mark.alone
@pytest.mark.parametrize("kind", ["it answers 503", "it refuses connections"])
async def test_an_outage_costs_the_primary_little_and_the_clients_nothing(tmp_path: Path, kind: str) -> None:
    async with OpenAIServer() as first, OpenAIServer() as second, aiohttp.ClientSession() as http:
        providers = PROVIDERS.format(first=first.base_url, second=second.base_url, key=API_KEY)
        async with process(tmp_path, providers, ROUTES) as gateway:
            load = Load(gateway.url, http)
            await load.run(1.0)
            assert {provider for _, _, provider in load.answers} == {"first"}
            before = first.request_count
            if kind == "it refuses connections":
                await first.stop_listening()
            else:
                first.faults.add(Fault("status", status=503, times=None))
            down_s = time.monotonic()
            await load.run(OUTAGE_S)
            seen = first.request_count - before
            tried = sum("half-open" in str(line["message"]) for line in gateway.log)
            first.faults.clear()
            if kind == "it refuses connections":
                await first.start_listening()
            back_s = time.monotonic()
            await load.run(BACK_S + 2.5)
            async with http.get(gateway.url + "/metrics") as response:
                metrics = await response.text()

    assert Counter(status for _, status, _ in load.answers).keys() == {200}
    served = [(sent_s, provider) for sent_s, _, provider in load.answers]
    assert {provider for sent_s, provider in served if down_s + 1 < sent_s < back_s - 0.5} == {"second"}
    # out for 0.8 to 1 s, then for 1.6 to 2, then for 2 to 2.5: one call finds out after each
    assert 1 <= tried <= 4
    assert seen <= (0 if kind == "it refuses connections" else OPENED_BY + tried)
    returned_s = min(sent_s for sent_s, provider in served if provider == "first" and sent_s > back_s) - back_s
    print(f"{kind}: the primary saw {seen} of {OUTAGE_S * RATE_PER_S:.0f}, and was back after {returned_s:.1f} s")
    assert returned_s <= BACK_S
    assert {provider for sent_s, provider in served if sent_s > back_s + BACK_S + 1} == {"first"}
    assert 'gateway_breaker_transitions_total{state="open",target="first/gpt-4o-mini"}' in metrics
    assert 'gateway_breaker_state{target="first/gpt-4o-mini"} 0.0' in metrics

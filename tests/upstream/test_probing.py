"""A vendor is asked whether it is there where that is configured, and never where it is not or asked for peace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from gateway.stores.breakers import Breaker
from tests.harness import Inside, inside
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

NAME = "vendor/gpt-4o-mini"
PROVIDERS = """
version: 1
breaker: {{consecutive: 2, open_s: 600, max_open_s: 600}}
providers:
  vendor:
    plugin: openai
    base_url: {url}
    credentials: {{api_key: {key}}}
    headers: {{OpenAI-Project: proj_123}}
    models: {{gpt-4o-mini: {{operation: chat}}}}
    {probe}
  spare: {{plugin: sandbox, models: {{chat: {{operation: chat}}}}}}
"""
ROUTES = """
version: 1
keys: {anonymous: loopback}
models: {chat: {operation: chat, targets: [vendor/gpt-4o-mini, spare/chat]}}
routes: [{path: /v1/chat/completions, dialect: openai.chat}]
"""
DOWN = Fault("status", status=503, times=None)
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
SOON_S = 10.0
SOME_S = 0.5  # five intervals


class Bench:
    def __init__(self, vendor: OpenAIServer, gateway: Inside, http: aiohttp.ClientSession) -> None:
        self.vendor, self.gateway, self.http = vendor, gateway, http

    @property
    def breaker(self) -> Breaker:
        found = self.gateway.services.breakers.all()[NAME]
        return found

    @property
    def probes(self) -> int:
        return sum(record.method == "GET" for record in self.vendor.requests)

    def counted(self, outcome: str) -> float:
        labels = {"provider": "vendor", "outcome": outcome}
        return self.gateway.services.metrics.registry.get_sample_value("gateway_probes_total", labels) or 0.0

    async def chat(self) -> str:
        async with self.http.post(self.gateway.url + "/v1/chat/completions", json=CHAT) as answer:
            assert answer.status == 200
            return answer.headers["x-gateway-provider"]

    async def eject(self, fault: Fault = DOWN) -> None:
        self.vendor.faults.add(fault)
        for _ in range(2):
            assert await self.chat() == "spare"
        assert self.breaker.state == "open"

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON_S):
            while not is_so():
                await asyncio.sleep(0.01)


@pytest.fixture
async def vendor() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as opened:
        yield opened


@pytest.fixture
async def bench(tmp_path: Path, vendor: OpenAIServer, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    probe = f"probe: {{{request.param}}}" if request.param else ""
    providers = PROVIDERS.format(url=vendor.base_url, key=API_KEY, probe=probe)
    async with inside(tmp_path, providers, ROUTES) as gateway, aiohttp.ClientSession() as http:
        yield Bench(vendor, gateway, http)


probed = pytest.mark.parametrize("bench", ["path: /models, every_s: 0.1"], indirect=True, ids=["probed"])
always = pytest.mark.parametrize("bench", ["path: /models, every_s: 0.1, always: true"], indirect=True, ids=["always"])
never = pytest.mark.parametrize("bench", [""], indirect=True, ids=["not probed"])


@probed
async def test_an_ejection_ends_when_the_vendor_answers_and_the_next_call_finds_out(bench: Bench) -> None:
    await asyncio.sleep(SOME_S)
    assert bench.probes == 0, "nothing is asked while all is well"
    await bench.eject()
    await bench.until(lambda: bench.counted("upstream_unavailable") >= 2)
    assert await bench.chat() == "spare"
    assert bench.breaker.is_out(asyncio.get_running_loop().time())
    bench.vendor.faults.clear()
    await bench.until(lambda: bench.counted("ok") >= 1)
    assert await bench.chat() == "vendor"
    assert bench.breaker.state == "returning"


@probed
async def test_a_probe_carries_the_providers_credentials_and_headers(bench: Bench) -> None:
    await bench.eject()
    await bench.until(lambda: bench.probes >= 1)
    probe = next(record for record in bench.vendor.requests if record.method == "GET")
    headers = {name.lower(): value for name, value in probe.headers}
    assert probe.path == "/v1/models"
    assert headers["authorization"] == f"Bearer {API_KEY}"
    assert headers["openai-project"] == "proj_123"


@probed
async def test_a_vendor_that_answers_probes_and_fails_calls_misleads_once(bench: Bench) -> None:
    await bench.eject(replace(DOWN, path="/v1/chat"))
    await bench.until(lambda: bench.counted("ok") >= 1)
    asked = bench.vendor.request_count - bench.probes
    assert await bench.chat() == "spare"  # this one found out
    assert bench.vendor.request_count - bench.probes == asked + 1
    probes = bench.probes
    await asyncio.sleep(SOME_S)
    assert await bench.chat() == "spare"
    assert bench.vendor.request_count - bench.probes == asked + 1
    assert bench.probes <= probes + 1, "one may have been under way"


@never
async def test_nothing_is_asked_where_nothing_is_configured(bench: Bench) -> None:
    await bench.eject()
    await asyncio.sleep(SOME_S)
    assert bench.probes == 0


@always
async def test_a_vendor_that_said_when_is_left_in_peace(bench: Bench) -> None:
    bench.vendor.faults.add(Fault("status", status=429, retry_after_s=600, times=1, path="/v1/chat"))
    assert await bench.chat() == "spare"
    await asyncio.sleep(0.2)  # one may have been under way
    probes = bench.probes
    await asyncio.sleep(SOME_S)
    assert bench.probes == probes
    assert bench.breaker.is_told


@always
async def test_failing_probes_eject_before_any_client_sees_a_failure_and_good_ones_let_in(bench: Bench) -> None:
    await bench.until(lambda: bench.counted("ok") >= 2)
    assert bench.breaker.state == "closed"
    await bench.vendor.stop_listening()
    await bench.until(lambda: bench.breaker.state == "open")
    assert bench.counted("upstream_unreachable") >= 2
    assert await bench.chat() == "spare"
    await bench.vendor.start_listening()
    good = bench.counted("ok")
    await bench.until(lambda: bench.counted("ok") > good)
    assert await bench.chat() == "vendor"


@pytest.mark.parametrize(
    ("bench", "fault", "outcome", "is_ejected"),
    [
        ("path: /models, every_s: 0.1, always: true", Fault("status", status=404, times=None), "ok", False),
        ("path: /models, every_s: 0.1, always: true", Fault("status", status=429, times=None), "busy", False),
        (
            "path: /models, every_s: 0.1, always: true",
            Fault("status", status=500, times=None),
            "upstream_unavailable",
            True,
        ),
        (
            "path: /models, every_s: 0.1, timeout_s: 0.1, always: true",
            Fault("slow_headers", times=None),
            "upstream_timeout",
            True,
        ),
    ],
    indirect=["bench"],
    ids=["not found", "too many", "broken", "silent"],
)
async def test_what_an_answer_says(bench: Bench, fault: Fault, outcome: str, is_ejected: bool) -> None:
    bench.vendor.faults.add(fault)
    await bench.until(lambda: bench.counted(outcome) >= 3)
    assert (bench.breaker.state == "open") is is_ejected


@always
async def test_a_reload_keeps_the_probe_of_what_stays_and_ends_the_others(bench: Bench) -> None:
    prober, config = bench.gateway.services.prober, bench.gateway.gateway.snapshot.config
    vendor = config.providers["vendor"]
    task = prober._tasks["vendor"][1]
    prober.use([replace(vendor, models={})])
    assert prober._tasks["vendor"][1] is task
    prober.use([replace(vendor, credentials={"api_key": "sk-another-one"})])
    assert prober._tasks["vendor"][1] is not task
    for gone in ([], [replace(vendor, off_reason="it is off")], [replace(vendor, probe=None)]):
        prober.use([vendor])
        prober.use(gone)
        assert prober._tasks == {}
    await bench.until(task.done)
    await asyncio.sleep(0.2)
    probes = bench.probes
    await asyncio.sleep(SOME_S)
    assert bench.probes == probes

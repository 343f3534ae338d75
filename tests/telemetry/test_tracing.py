"""Traces from a real gateway to a real OTLP receiver: what is told, to whom, and what happens where nobody listens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.config.load import load
from gateway.config.model import Traces
from gateway.errors import ConfigError
from gateway.server.reloader import adopt
from gateway.services import open_services
from gateway.snapshot import build_snapshot
from gateway.telemetry.genai import NAMES, OPERATIONS, named
from gateway.telemetry.tracing import Tracing
from gateway.types import Attempt, Receipt
from tests.collector import Collector, collecting
from tests.harness import ROOT, ROUTES, SANDBOX, inside

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CALLER = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "shop=42"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
CHAT = {"model": "fast", "messages": [{"role": "user", "content": "canary-prompt"}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "canary-answer"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}


@dataclass
class Vendor:
    """Fails below /broken/ and answers elsewhere; keeps the headers of each request."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.path.startswith("/broken"):
            return web.json_response({"error": {"message": "down"}}, status=503)
        return web.json_response(ANSWER)


@asynccontextmanager
async def vending() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vendor.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vendor
    finally:
        await runner.cleanup()


def providers(vendor: Vendor) -> str:
    row = "price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}"
    return SANDBOX + "".join(
        f"""
  {name}:
    plugin: openai
    base_url: {vendor.url}/{path}
    credentials: {{api_key: canary-credential}}
    models: {{m: {{operation: chat, {row}}}}}
"""
        for name, path in (("first", "broken"), ("second", "v1"))
    )


def routes(traces: str) -> str:
    models = ROUTES.replace(
        "models:\n", "models:\n  fast: {operation: chat, targets: [first/m, second/m]}\n  one: {targets: [second/m]}\n"
    ).replace("one: {", "one: {operation: chat, ")
    return f"{models}\ntelemetry: {{traces: {traces}}}\n"


@dataclass
class Watched:
    url: str
    vendor: Vendor
    collector: Collector
    client: aiohttp.ClientSession
    inside: Any

    async def chat(self, model: str = "fast", headers: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
        asked = self.client.post(f"{self.url}/v1/chat/completions", json={**CHAT, "model": model}, headers=headers)
        async with asked as answer:
            await answer.read()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}


@asynccontextmanager
async def watched(folder: Path, traces: str = "{endpoint: COLLECTOR}") -> AsyncIterator[Watched]:
    """Everything at once. What was recorded is with the collector once the gateway is closed: `flush`, or leave."""
    async with collecting() as collector, vending() as vendor:
        text = routes(traces.replace("COLLECTOR", collector.url))
        async with inside(folder, providers(vendor), text) as gateway, aiohttp.ClientSession() as client:
            yield Watched(gateway.url, vendor, collector, client, gateway)


async def flush(gateway: Watched) -> None:
    await gateway.inside.services.tracing.aclose()


async def test_a_call_is_a_span_and_each_of_its_attempts_one_below_it(tmp_path: Path) -> None:
    async with watched(tmp_path) as gateway:
        status, headers = await gateway.chat()
        await flush(gateway)
    assert status == 200
    (call,), (failed, good) = gateway.collector.calls, gateway.collector.attempts
    trace_id, span_id, parent_id = call.ids
    assert parent_id == ""
    assert [attempt.ids[::2] for attempt in (failed, good)] == [(trace_id, span_id)] * 2
    assert (call.name, failed.name, good.name) == ("POST /v1/chat/completions", "chat m", "chat m")
    assert call.service == "ai-service-gateway"
    assert call.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "text",
        "gen_ai.request.model": "fast",
        "gateway.cost_usd": 0.000025,
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "gateway.request_id": headers["x-request-id"],
        "gateway.config": headers["x-gateway-config"],
        "gateway.cache": "off",
        "gateway.client": "ip:127.0.0.1",
        "gateway.tenant": "anonymous",
    }
    told = good.attributes
    assert 0 < told.pop("gen_ai.response.time_to_first_chunk") <= good.seconds
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "text",
        "gen_ai.provider.name": "second",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gateway.cost_usd": 0.000025,
        "gateway.provider": "second",
        "server.address": "127.0.0.1",
        "server.port": int(gateway.vendor.url.rpartition(":")[2]),
    }
    assert failed.attributes["error.type"] == failed.span.status.message
    assert (failed.span.status.code, good.span.status.code, call.span.status.code) == (2, 0, 0)
    assert call.span.start_time_unix_nano <= failed.span.start_time_unix_nano < good.span.start_time_unix_nano
    assert good.span.end_time_unix_nano <= call.span.end_time_unix_nano
    assert abs(call.span.end_time_unix_nano / 1e9 - time.time()) < 60


async def test_the_callers_trace_goes_on_through_the_gateway_to_each_vendor(tmp_path: Path) -> None:
    async with watched(tmp_path) as gateway:
        await gateway.chat(headers=CALLER)
        await flush(gateway)
    (call,), attempts = gateway.collector.calls, gateway.collector.attempts
    assert (call.ids[0], call.ids[2]) == (TRACE, SPAN)
    assert call.span.trace_state == "shop=42"
    assert [headers["traceparent"] for headers in gateway.vendor.headers] == [
        f"00-{TRACE}-{attempt.ids[1]}-01" for attempt in attempts
    ]
    assert [headers["tracestate"] for headers in gateway.vendor.headers] == ["shop=42"] * 2


async def test_the_callers_flag_decides_whether_it_is_recorded(tmp_path: Path) -> None:
    async with watched(tmp_path, "{endpoint: COLLECTOR, sample: 0}") as gateway:
        await gateway.chat("one", UNSAMPLED)
        await gateway.chat("one", CALLER)
        await gateway.chat("one")
        await flush(gateway)
    assert [call.ids[0] for call in gateway.collector.calls] == [TRACE]
    flags = [headers["traceparent"].rpartition("-")[2] for headers in gateway.vendor.headers]
    assert flags == ["00", "01", "00"]


async def test_without_a_collector_the_callers_place_is_passed_on_as_it_came(tmp_path: Path) -> None:
    async with watched(tmp_path, "{}") as gateway:
        await gateway.chat("one", CALLER)
        await gateway.chat("one")
        await gateway.chat("one", {"traceparent": "nonsense"})
        await flush(gateway)
    told = [{name: headers.get(name) for name in CALLER} for headers in gateway.vendor.headers]
    assert told == [CALLER, dict.fromkeys(CALLER), dict.fromkeys(CALLER)]
    assert gateway.collector.spans == []


@pytest.mark.parametrize("traces", ["{forward: false}", "{endpoint: COLLECTOR, forward: false}"])
async def test_vendors_are_told_nothing_where_that_is_off(tmp_path: Path, traces: str) -> None:
    async with watched(tmp_path, traces) as gateway:
        assert (await gateway.chat("one", CALLER))[0] == 200
    assert not set(CALLER) & set(gateway.vendor.headers[0])


async def test_speech_has_operations_of_its_own(tmp_path: Path) -> None:
    async with watched(tmp_path) as gateway:
        speech = {"model": "speak", "input": "Good morning.", "voice": "alloy", "response_format": "wav"}
        async with gateway.client.post(f"{gateway.url}/v1/audio/speech", json=speech) as answer:
            audio = await answer.read()
        form = aiohttp.FormData()
        form.add_field("file", audio, filename="a.wav", content_type="audio/wav")
        form.add_field("model", "transcribe")
        async with gateway.client.post(f"{gateway.url}/v1/audio/transcriptions", data=form) as answer:
            assert answer.status == 200
        await flush(gateway)
    spoken, heard = gateway.collector.attempts
    assert (spoken.name, heard.name) == ("text_to_speech speech", "speech_to_text transcription")
    assert [span.attributes["gen_ai.output.type"] for span in (spoken, heard)] == ["speech", "text"]
    assert spoken.attributes["gateway.usage.characters"] == 13
    assert heard.attributes["gateway.usage.audio_seconds"] > 0
    assert "server.address" not in spoken.attributes  # the sandbox is in this process


@pytest.mark.parametrize(
    ("conventions", "present", "absent"),
    [
        ("latest", {"gen_ai.provider.name", "gen_ai.usage.input_tokens"}, {"gen_ai.system"}),
        ("legacy", {"gen_ai.system", "gen_ai.usage.prompt_tokens"}, {"gen_ai.provider.name"}),
        ("both", {"gen_ai.system", "gen_ai.usage.completion_tokens", "gen_ai.provider.name"}, set()),
    ],
)
async def test_names_are_those_that_were_chosen(
    tmp_path: Path, conventions: str, present: set[str], absent: set[str]
) -> None:
    async with watched(tmp_path, f"{{endpoint: COLLECTOR, conventions: {conventions}}}") as gateway:
        await gateway.chat("one")
        await flush(gateway)
    told = set(gateway.collector.attempts[0].attributes)
    assert present <= told
    assert not absent & told


async def test_a_reload_sends_what_was_recorded_to_the_old_collector_and_what_comes_to_the_new(tmp_path: Path) -> None:
    async with watched(tmp_path) as gateway, collecting() as other:
        await gateway.chat("one")
        (tmp_path / "routes.yaml").write_text(routes(f"{{endpoint: {other.url}, headers: {{x-key: secret-key}}}}"))
        services = gateway.inside.services
        snapshot = build_snapshot(load(tmp_path, {}), services, 2)
        gateway.inside.gateway.snapshot = snapshot
        adopt(snapshot, services)
        await gateway.chat("one")
        await flush(gateway)
    assert (len(gateway.collector.calls), len(other.calls)) == (1, 1)
    assert other.headers[0]["x-key"] == "secret-key"
    assert other.calls[0].attributes["gateway.config"].startswith("2-")


async def test_nothing_that_was_said_and_no_secret_is_in_a_span(tmp_path: Path) -> None:
    async with watched(tmp_path) as gateway:
        await gateway.chat(headers={**CALLER, "x-secret": "canary-header"})
        await flush(gateway)
    assert len(gateway.collector.spans) == 3
    assert "canary" not in "".join(str(received.span) for received in gateway.collector.spans)


async def test_a_refusal_and_what_nobody_serves_are_spans_and_health_is_none(tmp_path: Path) -> None:
    async with watched(tmp_path) as gateway:
        assert (await gateway.chat("nobody-knows-\udc00".encode("utf-8", "replace").decode()))[0] == 404
        async with gateway.client.get(f"{gateway.url}/health/live") as answer:
            assert answer.status == 200
        await flush(gateway)
    (call,) = gateway.collector.spans
    assert call.attributes["http.response.status_code"] == 404
    assert call.span.status.code == 0  # the client's fault, by the conventions


async def test_a_collector_that_is_away_costs_no_call_and_no_long_stop(tmp_path: Path) -> None:
    async with watched(tmp_path, "{endpoint: 'http://127.0.0.1:9'}") as gateway:
        assert [(await gateway.chat("one"))[0] for _ in range(3)] == [200] * 3
        async with asyncio.timeout(30):
            await flush(gateway)
    assert gateway.collector.spans == []


@pytest.mark.parametrize(
    ("traces", "said"),
    [
        ("{endpoint: collector}", "no address of a collector; write http://host:4318"),
        ("{endpoint: 'http://user:pass@host'}", "key into headers"),
        ("{endpoint: 'http://host:99999'}", "no address"),
        ("{sample: 1.01}", "1.01"),
        ("{sample: -0.01}", "-0.01"),
        ("{conventions: newest}", "newest"),
        ("{endpint: 'http://host'}", "endpoint"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(tmp_path: Path, traces: str, said: str) -> None:
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(f"{ROUTES}\ntelemetry: {{traces: {traces}}}\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    (problem,) = caught.value.problems
    assert said in str(problem)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.telemetry.find_spec", lambda name: None)
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(f"{ROUTES}\ntelemetry: {{traces: {{endpoint: 'http://host'}}}}\n")
    with pytest.raises(ConfigError, match=r"ai-service-gateway\[otel\]"):
        load(tmp_path, {})


def test_opentelemetry_is_imported_only_where_a_collector_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gateway.server import lifecycle\n"
        "from gateway.config.load import load; load(Path(sys.argv[1]), {})\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'requests', 'google.protobuf'))])"
    )
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_the_table_names_each_fact_once_and_each_operation_has_a_name() -> None:
    assert len({latest for latest, _ in NAMES.values()}) == len({legacy for _, legacy in NAMES.values()}) == len(NAMES)
    assert set(OPERATIONS) >= {"chat", "embeddings", "speech", "transcription", "tokens", "proxy", "models", "voices"}
    assert named({"model": "m", "input_tokens": 0, "cost_usd": None}, "latest") == {"gen_ai.request.model": "m"}


async def test_no_span_is_made_of_a_call_that_nobody_asked_to_record() -> None:
    def fail() -> Any:
        raise AssertionError("no exporter is wanted")

    tracing = Tracing(fail)
    tracing.use(Traces(), {})
    receipt = Receipt("request-1", 1.0, operation="chat", route="POST /x", attempts=[Attempt("a/m", outcome="ok")])
    assert tracing.begin({}) is None
    tracing.record(receipt, "POST", 200, 2.0)
    await open_services().aclose()

"""What a vendor does wrong, told to each client in its own words: right blame, and what was used is accounted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness import inside
from tests.vendors.anthropic import API_KEY as ANTHROPIC_KEY
from tests.vendors.anthropic import AnthropicServer
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

PROVIDERS = """
version: 1
providers:
  openai:
    plugin: openai
    base_url: {openai}
    credentials: {{api_key: {openai_key}}}
    timeouts: {{first_byte_s: 1.5, idle_s: 1}}
    models: {{gpt-4o-mini: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 1}}}}}}
  anthropic:
    plugin: anthropic
    base_url: {anthropic}
    credentials: {{api_key: {anthropic_key}}}
    timeouts: {{first_byte_s: 1.5, idle_s: 1}}
    models: {{claude-haiku-4-5: {{operation: chat, price: {{input_usd_per_mtok: 1, output_usd_per_mtok: 1}}}}}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  openai: {operation: chat, targets: [openai/gpt-4o-mini]}
  anthropic: {operation: chat, targets: [anthropic/claude-haiku-4-5]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/messages, dialect: anthropic.messages}
  - {path: "/v1beta/models/{model}:generateContent", dialect: gemini.generate}
  - {path: "/v1beta/models/{model}:streamGenerateContent", dialect: gemini.stream}
"""
TEXT = "one two three four five six seven eight"
CLIENTS = ("openai", "anthropic", "gemini")
VENDORS = ("openai", "anthropic")

# The fault, and the status that a client reads where nothing was sent yet.
BEFORE = {
    "an HTML page": (Fault("html", status=502, times=None), {502, 503}),
    "truncated JSON": (Fault("truncated_json", times=None), {502}),
    "a server error": (Fault("status", status=500, times=None), {502, 503}),
    "its own limit": (Fault("status", status=429, retry_after_s=30, times=None), {429}),
    "its key refused": (Fault("status", status=401, times=None), {502}),
    "no answer in time": (Fault("slow_headers", delay_s=9, times=None), {504}),
    "a refused connection": (Fault("refuse", times=None), {502, 503}),
}
AFTER = {
    "a cut": Fault("cut_mid_stream", after_events=5, times=None),
    "an end without its mark": Fault("cut_without_terminator", after_events=5, times=None),
    "a malformed event": Fault("malformed_event", after_events=5, times=None),
    "an error event in a 200": Fault("error_event_in_200", after_events=5, times=None),
    "a stall": Fault("stall_mid_stream", after_events=5, delay_s=9, times=None),
}


def request_for(client: str, model: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """Return the path and body of a client's request."""
    messages = [{"role": "user", "content": TEXT}]
    if client == "openai":
        return "/v1/chat/completions", {"model": model, "messages": messages, "stream": stream}
    if client == "anthropic":
        return "/v1/messages", {"model": model, "messages": messages, "stream": stream, "max_tokens": 500}
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}


def check_shape(client: str, body: Mapping[str, Any], status: int | None) -> None:
    """The error is the one that the client's own vendor would send."""
    error = body["error"]
    assert error["message"]
    assert "Traceback" not in error["message"]
    assert "<html" not in error["message"].lower()
    if client == "openai":
        assert {"message", "type", "param", "code"} <= error.keys()
    elif client == "anthropic":
        assert body["type"] == "error"
        assert error["type"].endswith("_error")
    else:
        assert error["status"].isupper()
        assert status is None or error["code"] == status


@pytest.mark.parametrize("fault", BEFORE)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_fault_before_the_answer_is_a_clean_status_in_the_clients_dialect(
    tmp_path: Path, client: str, vendor: str, fault: str
) -> None:
    scripted, statuses = BEFORE[fault]
    async with OpenAIServer() as openai, AnthropicServer() as anthropic:
        {"openai": openai, "anthropic": anthropic}[vendor].faults.add(scripted)
        async with inside(tmp_path, _providers(openai, anthropic), ROUTES) as gateway, aiohttp.ClientSession() as http:
            path, body = request_for(client, vendor, stream=False)
            async with http.post(gateway.url + path, json=body) as response:
                answer = await response.json()
                assert response.status in statuses, answer
                check_shape(client, answer, response.status)
                assert ("retry-after" in response.headers) == (fault == "its own limit")


@pytest.mark.parametrize("fault", AFTER)
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_fault_in_the_answer_is_an_error_in_the_stream_and_is_paid_for(
    tmp_path: Path, client: str, vendor: str, fault: str
) -> None:
    async with OpenAIServer() as openai, AnthropicServer() as anthropic:
        {"openai": openai, "anthropic": anthropic}[vendor].faults.add(AFTER[fault])
        async with inside(tmp_path, _providers(openai, anthropic), ROUTES) as gateway, aiohttp.ClientSession() as http:
            path, body = request_for(client, vendor, stream=True)
            async with http.post(gateway.url + path, json=body) as response:
                assert response.status == 200
                text, is_whole = await _read(response)
            assert not is_whole
            last = [line for line in text.splitlines() if line.startswith("data: ")][-1]
            check_shape(client, json.loads(last.removeprefix("data: ")), None)
            async with http.get(gateway.url + "/metrics") as response:
                metrics = await response.text()
    paid = [line for line in metrics.splitlines() if line.startswith("gateway_cost_usd_total{")]
    assert len(paid) == 1
    assert float(paid[0].split()[-1]) > 0


@pytest.fixture(autouse=True)
async def rules_are_built() -> None:
    """A simulator builds its validators with its first request, which may take longer than the deadlines here."""
    headers = {"x-api-key": ANTHROPIC_KEY, "anthropic-version": "2026-10-21"}
    body = request_for("anthropic", "claude-haiku-4-5", stream=False)[1]
    async with AnthropicServer() as server, aiohttp.ClientSession() as http:
        for stream in (False, True):
            url = server.base_url + "/messages"
            async with http.post(url, json=body | {"stream": stream}, headers=headers) as response:
                assert response.status == 200, await response.text()


async def _read(response: aiohttp.ClientResponse) -> tuple[str, bool]:
    seen = b""
    try:
        async for chunk in response.content.iter_any():
            seen += chunk
    except aiohttp.ClientPayloadError:
        return seen.decode(), False
    return seen.decode(), True


def _providers(openai: OpenAIServer, anthropic: AnthropicServer) -> str:
    return PROVIDERS.format(
        openai=openai.base_url, anthropic=anthropic.base_url, openai_key=API_KEY, anthropic_key=ANTHROPIC_KEY
    )

"""Every client of a language model × every vendor × every scenario, through the real server to strict simulators.

A cell passes, or is declared in IMPOSSIBLE with its reason; then it has to be refused with a clear 4xx. The outcome is
docs/compatibility.md: `UPDATE_DOCS=1 pytest tests/matrix` writes it, and a test fails when it is out of date.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.harness import ROOT, inside
from tests.matrix.clients import CLIENTS, Client, Failed, Heard
from tests.matrix.vendors import MODELS, ROUTES, SAFETY, Vendors, running
from tests.vendors.faults import Fault

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")  # google-genai's own

PAGE = ROOT / "docs" / "compatibility.md"

# A one-pixel PNG.
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: Mapping[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CLOCK: Mapping[str, Any] = {
    "type": "object",
    "properties": {"zone": {"type": "string"}},
    "required": ["zone"],
    "additionalProperties": False,
}
TOWN: Mapping[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}
LONG = "lorem ipsum dolor sit amet " * 4_000  # 108,000 characters, about 27,000 tokens

IMPOSSIBLE: Mapping[tuple[str, str, str], str] = {}


class Cell:
    """One client's calls to one vendor through the gateway."""

    def __init__(self, client: Client, vendor: str, vendors: Vendors) -> None:
        self.client = client
        self.vendor = vendor
        self.server = vendors.servers[vendor]
        self.model = f"at-{vendor}"

    async def plain(self) -> None:
        heard = await self.client.ask(self.model, "the quick brown fox")
        self._is_echo(heard, "the quick brown fox")
        assert heard.reason == "stop"

    async def stream(self) -> None:
        heard = await self.client.stream(self.model, "the quick brown fox jumps over the lazy dog")
        self._is_echo(heard, "the quick brown fox jumps over the lazy dog")
        assert heard.reason == "stop"
        assert heard.chunks > 3

    async def tools(self) -> None:
        tools = {"weather": WEATHER}
        asked = await self.client.ask(self.model, "what is the weather", tools=tools)
        assert asked.reason == "tool_calls"
        assert [name for name, _ in asked.calls] == ["weather"]
        Draft202012Validator(WEATHER).validate(asked.calls[0][1])
        told = await self.client.follow_up(self.model, "what is the weather", asked, ["sunny and mild"], tools)
        assert "sunny and mild" in told.text or told.calls
        assert len(self.server.requests) == 2

    async def parallel_tools(self) -> None:
        tools = {"weather": WEATHER, "clock": CLOCK}
        asked = await self.client.ask(self.model, "weather and clock", tools=tools)
        assert {name for name, _ in asked.calls} == {"weather", "clock"}
        told = await self.client.follow_up(self.model, "weather and clock", asked, ["sunny", "noon"], tools)
        assert told.text or told.calls

    async def structured_output(self) -> None:
        heard = await self.client.ask(self.model, "a town", schema=TOWN)
        Draft202012Validator(TOWN).validate(json.loads(heard.text))

    async def image(self) -> None:
        await self.client.ask(self.model, "what is this", image_b64=IMAGE)
        assert IMAGE[:48].encode() in self.server.requests[-1].body  # what follows may be written in URL-safe base64

    async def long_context(self) -> None:
        heard = await self.client.ask(self.model, LONG)
        assert heard.input_tokens > 20_000

    async def error(self) -> None:
        self.server.faults.add(Fault("status", status=429, retry_after_s=70, times=None))
        with pytest.raises(Failed) as caught:
            await self.client.ask(self.model, "hello")
        self.server.faults.clear()
        assert caught.value.status == 429
        assert str(caught.value)

    async def safety_block(self) -> None:
        heard = await self.client.ask(self.model, f"something bad {SAFETY[self.vendor]}")
        assert heard.reason == "content_filter"

    def _is_echo(self, heard: Heard, text: str) -> None:
        assert text in heard.text
        assert heard.input_tokens > 0
        assert heard.output_tokens > 0


SCENARIOS: Mapping[str, Callable[[Cell], Awaitable[None]]] = {
    "plain": Cell.plain,
    "stream": Cell.stream,
    "tools round trip": Cell.tools,
    "parallel tools": Cell.parallel_tools,
    "structured output": Cell.structured_output,
    "image": Cell.image,
    "long context": Cell.long_context,
    "error": Cell.error,
    "safety block": Cell.safety_block,
}


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    async with running() as started:
        yield started


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("vendor", MODELS)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_is_served_by_a_vendor(
    tmp_path: Path, vendors: Vendors, client: str, vendor: str, scenario: str
) -> None:
    async with inside(tmp_path, vendors.providers_yaml, ROUTES) as gateway, AsyncExitStack() as stack:
        cell = Cell(CLIENTS[client](gateway.url, stack), vendor, vendors)
        reason = IMPOSSIBLE.get((client, vendor, scenario))
        if reason is None:
            await SCENARIOS[scenario](cell)
            assert [record.refusal for record in vendors.servers[vendor].refused] == []
            return
        with pytest.raises(Failed) as caught:
            await SCENARIOS[scenario](cell)
        assert 400 <= caught.value.status < 500


def test_the_page_says_what_the_matrix_says() -> None:
    page = _page()
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "run: UPDATE_DOCS=1 pytest tests/matrix"


def _page() -> str:
    lines = [
        "# Compatibility of language models",
        "",
        "Which client's requests each vendor answers through the gateway. Each cell is a test: the vendor's own",
        "client, the real server, a simulator that refuses what the vendor would (`tests/matrix/` writes this page).",
        "",
    ]
    for client in CLIENTS:
        lines += [f"## Clients of {client}", "", "| | " + " | ".join(MODELS) + " |", "|---" * (len(MODELS) + 1) + "|"]
        for scenario in SCENARIOS:
            cells = ["no" if (client, vendor, scenario) in IMPOSSIBLE else "yes" for vendor in MODELS]
            lines.append(f"| {scenario} | " + " | ".join(cells) + " |")
        lines.append("")
    reasons = [f"- {' → '.join(cell[:2])}, {cell[2]}: {reason}" for cell, reason in IMPOSSIBLE.items()]
    return "\n".join([*lines, *(["## What cannot be", "", *reasons, ""] if reasons else [])])

"""What docs/configuration.md says of choosing among targets comes true, with simulated vendors."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
import yaml

from gateway.types import Strategy
from tests.harness import ROOT, Process, process
from tests.vendors.gemini import API_KEY as GEMINI_KEY
from tests.vendors.gemini import GeminiServer
from tests.vendors.openai import API_KEY, OpenAIServer
from tests.vendors.tones import tone_file

ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
limits: {money: {per: [], budget: 1 USD total}}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription}
"""
PAGE = (ROOT / "docs" / "configuration.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"\n### {title}\n")[2].partition("\n### ")[0].partition("\n## ")[0]


def models(title: str) -> dict[str, Any]:
    """Return the models of the only YAML of a section."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(block)["models"]
    return found


@dataclass
class Setup:
    gateway: Process
    http: aiohttp.ClientSession
    openai: OpenAIServer
    gemini: GeminiServer

    async def chat(self, model: str, text: str = "hello", **headers: str) -> str:
        """Return who answered, as provider/model."""
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post("/v1/chat/completions", json=body, headers=told) as answer:
            assert answer.status == 200, await answer.text()
            return f"{answer.headers['x-gateway-provider']}/{answer.headers['x-gateway-model']}"

    async def hear(self, seconds: float, language: str | None) -> str:
        form = aiohttp.FormData({"model": "hear"} | ({"language": language} if language else {}))
        form.add_field("file", io.BytesIO(tone_file("wav", 240, seconds)), filename="a.wav", content_type="audio/wav")
        async with self.http.post("/v1/audio/transcriptions", data=form) as answer:
            assert answer.status == 200, await answer.text()
            return str(answer.headers["x-gateway-model"])


@pytest.fixture
async def setup(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Setup]:
    """The models of a section, over two rows of the default providers.yaml."""
    rows = yaml.safe_load((ROOT / "providers.yaml").read_text())["providers"]
    providers = yaml.safe_dump({"version": 1, "providers": {name: rows[name] for name in ("openai", "gemini")}})
    routes = yaml.safe_dump(yaml.safe_load(ROUTES) | {"models": models(request.param)})
    async with OpenAIServer() as openai, GeminiServer() as gemini:
        environ = {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": openai.base_url,
            "GOOGLE_API_KEY": GEMINI_KEY,
            "GEMINI_BASE_URL": gemini.base_url,
        }
        async with (
            process(tmp_path, providers, routes, environ) as gateway,
            aiohttp.ClientSession(gateway.url) as http,
        ):
            yield Setup(gateway, http, openai, gemini)


def test_the_page_has_every_strategy_and_every_condition() -> None:
    for strategy in get_args(Strategy):
        assert f"| `{strategy}` |" in section("Which target is asked")
    schema = yaml.safe_load((ROOT / "schemas" / "routes.schema.json").read_text())["$defs"]["when"]
    for key in schema["properties"]:
        assert f"`{key}`" in section("Targets for some calls only")


@pytest.mark.parametrize("setup", ["Which target is asked"], indirect=True)
async def test_the_cheapest_and_the_shares_of_the_page(setup: Setup) -> None:
    assert await setup.chat("fast") == "gemini/gemini-3.1-flash-lite"
    counts = Counter([await setup.chat("smart", str(number)) for number in range(80)])
    assert set(counts) == {"openai/gpt-5.4", "openai/gpt-5.4-mini"}
    assert counts["openai/gpt-5.4"] > counts["openai/gpt-5.4-mini"]
    await setup.openai.stop_listening()
    assert await setup.chat("smart") == "gemini/gemini-2.5-pro"


@pytest.mark.parametrize("setup", ["Targets for some calls only"], indirect=True)
async def test_the_conditions_of_the_page(setup: Setup) -> None:
    assert await setup.hear(2, "en") == "gpt-transcribe"
    assert await setup.hear(2, "de") == "whisper-1"
    assert await setup.hear(2, None) == "whisper-1"
    assert await setup.hear(61, "en") == "whisper-1"
    assert await setup.chat("draft", x_quality="premium-1") == "openai/gpt-5.4"
    assert await setup.chat("draft") == "openai/gpt-5.4-mini"
    by_the_clock = ("gemini/gemini-2.5-flash", "gemini/gemini-3.1-flash-lite")
    assert await setup.chat("draft", "word " * 10_000) in by_the_clock


@pytest.mark.parametrize("setup", ["Shadows"], indirect=True)
async def test_the_shadow_of_the_page(setup: Setup) -> None:
    for number in range(200):
        assert await setup.chat("fast", str(number)) == "openai/gpt-5.4-mini"
        if setup.gemini.requests:
            break
    line = await setup.gateway.wait_for_log(lambda line: line["message"] == "shadow")
    assert (line["answered_by"], line["outcome"]) == ("openai/gpt-5.4-mini", "ok")

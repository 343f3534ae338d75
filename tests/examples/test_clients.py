"""Each client's example, run as its page says, against the gateway as it starts without any vendor's key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.examples.pages import Example, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = pytest.mark.slow
ABOUT_PLUGINS = ".md, “"  # the sandbox says on which page it found its answer

# example -> what to type, and what one then sees among else
PYTHON = [
    pytest.param("openai-python", (ABOUT_PLUGINS, "USD", "Hello!", "-- sandbox/chat", "heard: "), marks=SLOW),
    pytest.param("anthropic", (ABOUT_PLUGINS, "tokens to be read", "get_tide {", "High at 14:10."), marks=SLOW),
    pytest.param("google-genai", (ABOUT_PLUGINS, '"city"', "-- sandbox, ", "vectors of 256 256"), marks=SLOW),
    pytest.param("langchain", (ABOUT_PLUGINS, "get_tide -> High at", "nearest: Bread is baked at five."), marks=SLOW),
]
NODE = [
    ("openai-node", (ABOUT_PLUGINS, "USD", "Hello!", "-- sandbox/chat", "heard: ")),
    ("vercel-ai-sdk", (ABOUT_PLUGINS, "-- sandbox", "city: ", "High at port at 14:10.", "heard: ")),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One gateway for all: a start takes as long as a client."""
    async with served(tmp_path_factory.mktemp("clients") / "gateway") as address:
        yield address


async def test_curl_does_every_kind_of_work(url: str, tmp_path: Path) -> None:
    example = Example.copy("curl", tmp_path, GATEWAY_URL=url)
    seen = await example.run("./requests.sh")
    assert '"content":"Hello!"' in seen
    assert '"cost_usd":0.0' in seen
    assert "data: [DONE]" in seen
    assert "x-gateway-provider: local-tts" in seen
    assert '{"text":"' in seen
    assert seen.count('"object":"embedding"') == 2
    assert '"id":"transcribe"' in seen
    assert (example.folder / "speech.mp3").stat().st_size > 10_000


@pytest.mark.parametrize(("name", "parts"), PYTHON)
async def test_a_python_client_does_what_its_page_says(
    url: str, tmp_path: Path, name: str, parts: tuple[str, ...]
) -> None:
    example = Example.copy(name, tmp_path, GATEWAY_URL=url)
    seen = await example.run("python main.py")
    for part in parts:
        assert part in seen


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parts"), NODE)
async def test_a_javascript_client_does_what_its_page_says(
    url: str, tmp_path: Path, name: str, parts: tuple[str, ...]
) -> None:
    example = Example.copy(name, tmp_path, GATEWAY_URL=url, npm_config_audit="false", npm_config_fund="false")
    await example.run("npm ci", npm_config_prefer_offline="true")
    seen = await example.run("node main.js")
    for part in parts:
        assert part in seen

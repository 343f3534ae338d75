"""What README.md says to paste works as it stands, on the default files, from a folder of the reader's own."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.config.load import load
from tests.harness import ROOT, Process, process

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
CURLS = [
    line for language, block in BLOCKS if language == "sh" for line in block.splitlines() if line.startswith("curl")
]
CLIENTS = (ROOT / "docs" / "clients.md").read_text()
PYTHON = [
    pytest.param(block, marks=pytest.mark.slow if "google" in block else (), id=f"{name}-{number}")
    for name, text in (("README", README), ("clients", CLIENTS))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Process]:
    """The default configuration, with nothing in the environment but a free port."""
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with process(tmp_path, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0"}) as running:
        yield running


async def run(gateway: Process, *command: str) -> str:
    """Run a command in the reader's folder, with the address of the test's gateway in the place of the README's."""
    words = [word.replace("http://127.0.0.1:8001", gateway.url) for word in command]
    child = await asyncio.create_subprocess_exec(
        *words, cwd=gateway.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    return out.decode()


async def test_the_three_lines_of_the_first_screen_answer_speak_and_listen(gateway: Process) -> None:
    assert len(CURLS) == 3
    chat, speech, transcription = (shlex.split(line) for line in CURLS)

    assert "Hello!" in await run(gateway, *chat, "--fail-with-body", "--silent")
    await run(gateway, *speech, "--fail-with-body", "--silent")
    probe = await run(gateway, "ffprobe", "-v", "error", "-show_entries", "format=format_name,duration", "speech.mp3")
    assert "format_name=mp3" in probe
    duration = re.search(r"duration=([\d.]+)", probe)
    assert duration is not None
    assert 0.5 < float(duration.group(1)) < 5
    assert '"text"' in await run(gateway, *transcription, "--fail-with-body", "--silent")


@pytest.mark.parametrize("block", PYTHON)
async def test_the_python_of_a_page_runs(gateway: Process, block: str) -> None:
    (gateway.folder / "example.py").write_text(block.replace("http://127.0.0.1:8001", gateway.url))
    out = await run(gateway, sys.executable, "example.py")
    assert out.splitlines()[0] in ("Hello!", "Count to three.")


def test_every_header_of_ours_is_on_the_page_of_clients() -> None:
    source = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    headers = set(re.findall(r"x-gateway-[a-z-]+[a-z]", source))
    assert len(headers) > 8
    assert {name for name in headers if name not in CLIENTS} == set()


async def test_the_start_says_who_serves_what_and_why_others_are_off(gateway: Process) -> None:
    assert "openai: off, OPENAI_API_KEY is not set" in gateway.banner
    for operation in ("chat", "embeddings", "speech", "transcription"):
        assert re.search(rf"{operation} +\w+ → [\w-]+/\w+", gateway.banner), operation
    lines = [line.strip() for line in gateway.banner.splitlines() if line.strip().startswith("curl ")]
    assert len(lines) == 3
    for line in lines:
        await run(gateway, *shlex.split(line), "--fail-with-body", "--silent")


def test_the_usual_names_are_honoured(tmp_path: Path) -> None:
    environ = {
        "OPENAI_API_KEY": "sk-0123456789abcdef0123456789",
        "OPENAI_BASE_URL": "https://eu.api.openai.com/v1",
        "ALLOWED_ORIGINS": "https://a.example,https://b.example",
        "API_KEYS": "team:0123456789abcdef-team,0123456789abcdef-other",
        "RATE_LIMIT_PER_MINUTE": "7",
        "RATE_LIMIT_PER_HOUR": "70",
        "CACHE_TTL_SECONDS": "9",
        "METRICS_ENABLED": "false",
        "LOG_LEVEL": "WARNING",
        "GATEWAY_LISTEN": "0.0.0.0:9000",
    }
    config = load(ROOT, environ)

    assert config.providers["openai"].off_reason is None
    assert config.providers["openai"].base_url == "https://eu.api.openai.com/v1"
    assert config.server.cors.origins == ("https://a.example", "https://b.example")
    assert {key.name for key in config.keys.static} >= {"team"}
    assert len(config.keys.static) == 2
    assert config.keys.anonymous == "never"  # whoever gives out keys means them for everybody
    assert (config.server.metrics, config.server.log_level) == (False, "warning")
    assert (config.server.host, config.server.port) == ("0.0.0.0", 9000)
    chat = next(route for route in config.routes if route.path == "/v1/chat/completions")
    assert chat.quota is not None
    assert chat.quota.requests == ("7/minute", "70/hour")
    assert chat.cache is not None
    assert chat.cache.ttl_s == 9


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for goal in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not goal.startswith("http"):
            assert (page.parent / goal).exists(), f"{page.name}: {goal}"

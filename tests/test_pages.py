"""What the pages on native endpoints, prompts and passing through say to paste works, on the default files."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from gateway.config.files import Files
from gateway.config.load import read
from tests.harness import ROOT, Process, process


def curls(page: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("curl")]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Process]:
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with process(tmp_path, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0"}) as running:
        yield running


async def run(gateway: Process, line: str) -> str:
    """Run a line of a page in a shell, with the address of the test's gateway in the place of the page's."""
    command = line.replace("http://127.0.0.1:8001", gateway.url).replace("curl ", "curl --silent ")
    shell = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", command, cwd=gateway.folder, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await shell.communicate()
    assert shell.returncode == 0, line
    return out.decode()


async def test_every_line_of_the_page_on_our_own_endpoints_works(gateway: Process) -> None:
    lines = curls("native.md")
    assert len(lines) == 8
    outs = [await run(gateway, line) for line in lines]
    assert (gateway.folder / "speech.wav").read_bytes()[:4] == b"RIFF"
    for line, out in zip(lines, outs, strict=True):
        if "speech.wav" in line and "speak" in line:
            continue  # its output is the file
        answer = json.loads(out)
        assert "error" not in answer, out
        assert answer.get("success", True) is True
    heard = json.loads(outs[lines.index(next(line for line in lines if "transcribe" in line))])
    assert heard["text"]


async def test_every_line_of_the_page_on_prompts_works(gateway: Process) -> None:
    lines = curls("prompts.md")
    assert len(lines) == 2
    for line in lines:
        answer = json.loads(await run(gateway, line))
        assert 10 <= len(answer["data"]["turns"]) <= 15, answer


async def test_the_line_on_passing_through_says_what_it_lacks(gateway: Process) -> None:
    (line,) = curls("passthrough.md")
    answer = json.loads(await run(gateway, line))
    assert "OPENAI_API_KEY is not set" in answer["error"]["message"]


def test_the_prompt_of_the_page_is_sound(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "prompts.md").read_text()
    prompt = next(block for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S) if "template:" in block)
    (tmp_path / "words.yaml").write_text(prompt)
    (tmp_path / "providers.yaml").write_text((ROOT / "providers.yaml").read_text())
    routes = yaml.safe_load((ROOT / "routes.yaml").read_text())
    routes["routes"] = [{"path": "/words", "dialect": "prompt", "prompt": "words.yaml"}]
    (tmp_path / "routes.yaml").write_text(yaml.safe_dump(routes))
    reading = read(Files(tmp_path / "routes.yaml", tmp_path / "providers.yaml"), {})
    assert [problem for problem in reading.problems if problem.severity == "error"] == []

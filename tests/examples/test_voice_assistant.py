"""The assistant hears, answers and speaks turn after turn, and adds up what it cost."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.examples.pages import Example
from tests.harness import SANDBOX, process

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  fast: {operation: chat, targets: [sandbox/chat]}
  speak: {operation: speech, targets: [sandbox/speech]}
  transcribe: {operation: transcription, targets: [sandbox/transcription]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/audio/speech, dialect: openai.speech}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription}
"""

RECORDER = """#!/usr/bin/env bash
# Stands where a microphone is: what it heard is there at once, and it goes on until it is told to end.
cp "$RECORDED" "${@: -1}"
touch recording
exec sleep 60
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with process(tmp_path_factory.mktemp("gateway"), SANDBOX, ROUTES) as gateway:
        yield gateway.url


async def test_a_script_of_turns_is_talked_through_and_its_recordings_again(url: str, tmp_path: Path) -> None:
    example = Example.copy("voice-assistant", tmp_path, GATEWAY_URL=url)
    turns = (example.folder / "turns.txt").read_text().splitlines()
    seen = await example.run("python assistant.py --script turns.txt")
    assert re.findall("^you:  (.*)", seen, re.MULTILINE) == turns
    assert len(re.findall("^it:   .", seen, re.MULTILINE)) == 2
    costs = [Decimal(cost) for cost in re.findall(r"([\d.]+) USD .* ms$", seen, re.MULTILINE)]
    assert all(costs), "each has a price here"
    assert f"all:  {sum(costs)} USD" in seen
    for file in ("answer-1.wav", "question-2.wav", "answer-2.wav"):
        assert (example.folder / "talk" / file).read_bytes()[:4] == b"RIFF"

    again = "python assistant.py --hear sandbox/transcription talk/question-1.wav talk/question-2.wav"
    seen = await example.run(again)
    assert re.findall("^you:  (.*)", seen, re.MULTILINE) == turns


async def test_each_step_may_have_another_model(url: str, tmp_path: Path) -> None:
    example = Example.copy("voice-assistant", tmp_path, GATEWAY_URL=url)
    (example.folder / "turns.txt").write_text("Good morning!\n")
    named = "python assistant.py --script turns.txt --speak sandbox/speech --hear sandbox/transcription"
    seen = await example.run(named)
    assert "you:  Good morning!" in seen


async def test_a_turn_is_what_is_said_between_two_keys(url: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "arecord").write_text(RECORDER)
    (tmp_path / "bin" / "arecord").chmod(0o755)
    speech = {"model": "speak", "voice": "nova", "input": "Good morning!", "response_format": "wav"}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/audio/speech", json=speech) as response:
        (tmp_path / "said.wav").write_bytes(await response.read())
    example = Example.copy("voice-assistant", tmp_path, GATEWAY_URL=url)
    path = f"{tmp_path / 'bin'}:{example.environ['PATH']}"
    enter_twice = "echo; until [ -e recording ]; do sleep 0.05; done; echo"
    recorded = str(tmp_path / "said.wav")
    seen = await example.run("python assistant.py", typed=enter_twice, PATH=path, RECORDED=recorded)
    assert "you:  Good morning!" in seen
    assert "it:   Good morning!" in seen
    assert (example.folder / "talk" / "answer-1.wav").read_bytes()[:4] == b"RIFF"

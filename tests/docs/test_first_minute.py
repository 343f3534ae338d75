"""The first minute of README.md and docs/start.md: from nothing to a sentence that is spoken and written down again."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.compare import unlike_text
from tests.docs.page import snippets
from tests.harness import ROOT, process
from tests.test_project import locked

SENTENCE = "The quick brown fox jumps over the lazy dog."
LOCAL = ("av", "espeakng-loader", "pocketsphinx")  # the extra `local`


def pip(environment: Path, *words: str) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-compile"]
    python = str(environment / "bin" / "python")
    command = [sys.executable, "-m", "pip", "--python", python, "install", *options, *words]
    subprocess.run(command, check=True, timeout=110)


def wheel_of_this(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = folder.glob("*.whl")
    return wheel


async def test_the_start_says_what_the_page_shows_and_each_line_to_paste_works(tmp_path: Path) -> None:
    """On the default files, with nothing in the environment; README.md shows the same."""
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with process(tmp_path, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0"}) as gateway:
        said = gateway.banner.replace(gateway.url, "http://127.0.0.1:8001")
        for name in ("README.md", "docs/start.md"):
            (shown,) = (block.text for block in snippets(ROOT / name) if block.text.startswith("AI service gateway"))
            assert unlike_text(f"{shown}…", said) is None, name
        assert "openai: off, OPENAI_API_KEY is not set" in said
        lines = [shlex.split(line) for line in gateway.banner.splitlines() if line.strip().startswith("curl ")]
        assert len(lines) == 3
        for words in lines:
            subprocess.run([*words, "--fail-with-body", "--silent"], cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.slow
def test_the_wheel_speaks_and_listens_in_an_empty_environment(tmp_path: Path) -> None:
    """As locked, by its command, with its bundled files, in a folder where nothing is."""
    environment, folder = tmp_path / "environment", tmp_path / "folder"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60)
    wheel = wheel_of_this(tmp_path)
    full = locked("full")
    names = [*locked("core"), *(name for name in full if name in LOCAL)]
    (tmp_path / "locked.txt").write_text("\n".join("\n".join(full[name]) for name in names))
    pip(environment, "--only-binary", ":all:", "--require-hashes", "-r", str(tmp_path / "locked.txt"))
    pip(environment, "--no-index", str(wheel))
    command = [str(environment / "bin" / "gateway"), "run"]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GATEWAY_LISTEN": "127.0.0.1:0"}
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        try:
            found = re.search(r"AI service gateway 0\.1\.0 serves at (\S+)", gateway.stdout.readline())
            assert found is not None

            def curl(path: str, *words: str) -> str:
                command = ["curl", "--fail-with-body", "--silent", found[1] + path, *words]
                return subprocess.run(
                    command, cwd=folder, check=True, capture_output=True, text=True, timeout=60
                ).stdout

            head = curl(
                "/v1/audio/speech", "-o", "speech.mp3", "-D", "-", "-d", f'{{"input": "{SENTENCE}", "voice": "nova"}}'
            )
            assert "x-gateway-provider: local-tts" in head
            assert (folder / "speech.mp3").stat().st_size > 10_000
            heard = curl("/v1/audio/transcriptions", "-F", "file=@speech.mp3", "-F", "response_format=text")
            assert {"the", "over"} & set(heard.lower().split()), heard  # it mishears robots
            assert "start.md" in curl("/llm/generate", "-d", '{"prompt": "How do I start in five minutes?"}')
        finally:
            gateway.terminate()

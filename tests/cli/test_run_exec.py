"""`gateway run --exec`: serves while a command runs, which finds it by its environment, and exits as that does."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calling import call
from tests.harness import ROOT, ROUTES, SANDBOX

CLIENT = """
import os, urllib.request, json
body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hello there"}]}).encode()
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
request = urllib.request.Request(url, body, {"authorization": "Bearer " + os.environ.get("OPENAI_API_KEY", "none")})
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
print(os.environ["ANTHROPIC_BASE_URL"], os.environ["GATEWAY_URL"])
"""


LIBRARIES = """
import anthropic, openai
from google import genai
words = [{"role": "user", "content": "hello there"}]
print(openai.OpenAI().chat.completions.create(model="fast", messages=words).choices[0].message.content)
print(anthropic.Anthropic().messages.create(model="fast", max_tokens=99, messages=words).content[0].text)
client = genai.Client()
print(client.models.generate_content(model="fast", contents="hello there").text)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "client.py").write_text(CLIENT)
    return tmp_path


def environ(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder)}


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "gateway", "run", str(folder), "--exec", command]
    return subprocess.run(arguments, cwd=folder, env=environ(folder), capture_output=True, text=True, timeout=60)


def test_a_client_finds_the_gateway_and_only_its_words_are_on_standard_output(folder: Path) -> None:
    done = run(folder, f"{shlex.quote(sys.executable)} client.py")
    assert done.returncode == 0, done.stderr
    said, urls = done.stdout.splitlines()
    assert said == "hello there"
    base, url = urls.split()
    assert base == f"{url}/anthropic"
    assert f"serves at {url}" in done.stderr


@pytest.mark.slow
def test_the_vendors_own_libraries_find_it_without_a_line_of_code(folder: Path) -> None:
    (folder / "client.py").write_text(LIBRARIES)
    for name in ("routes.yaml", "providers.yaml"):
        (folder / name).write_text((ROOT / name).read_text())
    (folder / "prompts").symlink_to(ROOT / "prompts")
    (folder / ".env").write_text("GATEWAY_LISTEN=127.0.0.1:0\n")
    done = run(folder, f"{shlex.quote(sys.executable)} client.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["hello there"] * 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "status"),
    [("sh -c 'exit 7'", 7), ("sh -c 'kill -KILL $$'", 137), ("no-such-command", 127), ("true", 0)],
)
def test_it_exits_as_the_command_does(folder: Path, command: str, status: int) -> None:
    assert run(folder, command).returncode == status


@pytest.mark.parametrize("command", ["", "'"])
def test_no_command_is_misuse(folder: Path, command: str) -> None:
    done = call("run", folder, "--exec", command)
    assert (done.status, "--exec" in done.err) == (64, True)


def test_a_configuration_that_is_refused_runs_nothing(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    done = run(folder, "touch ran")
    assert done.returncode == 78
    assert not (folder / "ran").exists()


@pytest.mark.slow
async def test_sigterm_ends_the_command_too(folder: Path) -> None:
    script = "trap 'echo ended > ended; exit 3' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    (folder / "wait.sh").write_text(script)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run", str(folder), "--exec", "sh wait.sh",
        cwd=folder, env=environ(folder), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        while not (folder / "pid").exists():
            await asyncio.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        await child.communicate()
    assert (folder / "ended").exists()
    assert child.returncode == 3

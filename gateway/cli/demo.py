"""`gateway demo`: a tour on this machine alone: speak, write it down, kill the vendor, fail over, see the cost."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from gateway.cli.console import EXIT_AWAY, JSON, Failed, coloured, print_json
from gateway.cli.running import Reach, Running, find
from gateway.json import dumps, loads

FILES = Path(__file__).parent / "demo_files"
START_S = 30.0  # a loaded machine may take its time
ANSWER_S = 60.0
SETTLED_S = 5.0  # for the ledger to have the end of an answer
SENTENCE = "The quick brown fox jumps over the lazy dog."
BOUNDARY = "gateway-demo-boundary"


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, and what the answer's headers said of it."""

    what: str
    said: str
    provider: str = ""
    attempts: int = 0
    cost_usd: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    headers: dict[str, str]
    body: bytes
    seconds: float


@click.command("demo")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Keep its files, and what was spoken, here."
)
@JSON
def command(folder: Path | None, as_json: bool) -> int:
    """Show in half a minute what the gateway does, without a key and without a network.

    It runs two gateways on this machine: one plays a vendor, the other is the one you would run. The vendor's process
    is killed on the way. With the extra `local` the voice is a real one, else the sandbox's tones.
    """
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        try:
            shutil.copytree(FILES, home, dirs_exist_ok=True)
        except OSError as error:
            raise Failed(f"{home} cannot be written: {error}") from error
        steps = []
        for step in _tour(home, stack):
            steps.append(step)
            if not as_json:
                _tell(step)
        if as_json:
            print_json({"folder": str(folder) if folder else None, "steps": [asdict(one) for one in steps]})
        elif folder is not None:
            click.echo(f"the files, and what was spoken, are in {folder}")
    return 0


def _tour(home: Path, stack: ExitStack) -> Iterator[Step]:
    vendor, vendor_url = stack.enter_context(_gateway(home / "primary", {}))
    _, url = stack.enter_context(_gateway(home / "front", {"PRIMARY_URL": f"{vendor_url}/v1"}))
    front = find(Reach((home / "front",)))
    yield Step("two gateways run", f"{vendor_url} plays a vendor called primary, {url} is the gateway")

    spoken = _speak(url, home / "before.mp3")
    yield _step(front, "speak", spoken, f"{len(spoken.body)} bytes of audio/mpeg: {SENTENCE!r}")
    heard = _ask(url, "/v1/audio/transcriptions", *_form(spoken.body))
    yield _step(front, "write it down", heard, f"it heard {loads(heard.body)['text']!r}")
    yield _step(front, "chat", _chat(url), "the vendor answers")

    vendor.kill()
    vendor.wait()
    yield Step("the vendor's process is killed", f"kill -9 {vendor.pid}")
    yield _step(front, "chat again", _chat(url), "the model's next target answers, and the client notices nothing")
    again = _speak(url, home / "after.mp3")
    yield _step(front, "speak again", again, f"{len(again.body)} bytes from the next voice")

    usage = front.ask("GET", "/admin/usage?by=provider")["usage"]
    rows = ", ".join(f"{row['name']} {row['requests']} requests {row['cost_usd']} USD" for row in usage)
    yield Step("the ledger", f"{rows} (gateway usage --by provider)")


def _step(front: Running, what: str, answer: Answer, said: str) -> Step:
    """Return what was done; the cost is the ledger's, which knows it once the answer has ended."""
    headers = answer.headers
    until_s = time.monotonic() + SETTLED_S
    while True:
        rows = front.ask("GET", f"/admin/requests/{headers['x-request-id']}")["requests"]
        if rows[0]["state"] != "open" or time.monotonic() > until_s:
            break
        time.sleep(0.05)
    provider = f"{headers['x-gateway-provider']}/{headers['x-gateway-model']}"
    cost = str(rows[0]["cost_usd"])
    return Step(what, said, provider, int(headers["x-gateway-attempts"]), cost, round(answer.seconds, 3))


def _tell(step: Step) -> None:
    click.echo(f"{coloured('●', 'green')} {step.what}: {step.said}")
    if step.provider:
        tries = f"{step.attempts} attempt{'s' * (step.attempts != 1)}"
        click.echo(f"    {step.provider}, {tries}, {step.seconds:.2f} s, {step.cost_usd} USD")


# ---------------------------------------------------------------- the gateways


@contextmanager
def _gateway(folder: Path, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a gateway on a folder; yield its process and its URL. Fails where it does not start."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", str(folder)],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process, _url(folder, process)
    finally:
        process.terminate()
        try:
            process.wait(START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _url(folder: Path, process: subprocess.Popen[bytes]) -> str:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            running: Running = find(Reach((folder,), pid=process.pid))
            return str(running.ask("GET", "/admin/status")["url"])
        except Failed as error:
            if error.status != EXIT_AWAY:
                raise
        time.sleep(0.05)
    lines = (folder / "log").read_text(errors="replace").splitlines()
    raise Failed(f"the demo's gateway did not start: {lines[-1] if lines else 'it said nothing'}")


# ---------------------------------------------------------------- the calls


def _chat(url: str) -> Answer:
    body = {"model": "chat", "messages": [{"role": "user", "content": SENTENCE}]}
    return _ask(url, "/v1/chat/completions", dumps(body), "application/json")


def _speak(url: str, file: Path) -> Answer:
    body = {"model": "speak", "voice": "nova", "input": SENTENCE, "response_format": "mp3"}
    answer = _ask(url, "/v1/audio/speech", dumps(body), "application/json")
    file.write_bytes(answer.body)
    return answer


def _form(audio: bytes) -> tuple[bytes, str]:
    """Return the body and the content type of a form with the recording."""
    parts = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\ntranscribe\r\n',
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="speech.mp3"\r\n\r\n',
    )
    return "".join(
        parts
    ).encode() + audio + f"\r\n--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def _ask(url: str, path: str, body: bytes, content_type: str) -> Answer:
    """Return the answer. Fails where it is none."""
    parts = urlsplit(url)
    began_s = time.monotonic()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ANSWER_S)
    try:
        connection.request("POST", path, body, {"content-type": content_type})
        response = connection.getresponse()
        data: Any = response.read()
        headers = {name.lower(): value for name, value in response.getheaders()}
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{path} was not answered: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise Failed(f"{path} answered {response.status}: {data[:300].decode(errors='replace')}")
    return Answer(headers, data, time.monotonic() - began_s)

"""The gateway as tests run it: as a process of its own, or as the same server within the test's loop.

    async with process(tmp_path, PROVIDERS, ROUTES) as gateway:      # python -m gateway run
        client = AsyncOpenAI(base_url=gateway.url + "/v1", api_key="x")
        gateway.write(routes=OTHER_ROUTES); await gateway.reload()   # SIGHUP, and what came of it

    async with inside(tmp_path, PROVIDERS, ROUTES) as gateway:       # same server, in this loop: quicker
        gateway.services.metrics ...

YAML is given as text; `SANDBOX` and `ROUTES` serve every operation from the sandbox.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from aiohttp import web

from gateway.config.load import load
from gateway.server.app import Gateway
from gateway.server.lifecycle import base_url, make_runner, open_ledger
from gateway.server.reloader import Reloader, adopt
from gateway.services import Services, open_services
from gateway.snapshot import build_snapshot

ROOT = Path(__file__).parents[1]
START_S = 15.0  # a loaded machine may take its time

SANDBOX = """
version: 1
providers:
  sandbox:
    plugin: sandbox
    models:
      chat: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
      speech: {operation: speech, formats: [wav, pcm, mp3], price: {usd_per_mchar: 15}}
      transcription: {operation: transcription, price: {usd_per_audio_minute: 0.006}}
      embeddings: {operation: embeddings, price: {input_usd_per_mtok: 0.02}}
"""

ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models:
  chat: {operation: chat, targets: [sandbox/chat]}
  speak: {operation: speech, targets: [sandbox/speech]}
  transcribe: {operation: transcription, targets: [sandbox/transcription]}
  embed: {operation: embeddings, targets: [sandbox/embeddings]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription, model: transcribe}
  - {path: /v1/embeddings, dialect: openai.embeddings, model: embed}
  - {path: /v1/models, dialect: openai.models}
  - {path: "/v1/models/{model}", dialect: openai.models}
"""


@dataclass
class Process:
    """A running `gateway run`; `log` has the JSON lines of its standard error so far."""

    folder: Path
    process: asyncio.subprocess.Process
    url: str
    banner: str
    log: list[dict[str, object]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _seen: int = 0

    def write(self, *, routes: str | None = None, providers: str | None = None) -> None:
        """Put other files in place, each in one step, as an operator's editor does."""
        for name, text in (("routes.yaml", routes), ("providers.yaml", providers)):
            if text is not None:
                (self.folder / "new").write_text(text)
                (self.folder / "new").rename(self.folder / name)

    async def reload(self) -> list[str]:
        """Send SIGHUP; return the problems for which it was refused, [] where it was applied."""
        start = len(self.log)
        self.process.send_signal(signal.SIGHUP)
        await self.wait_for_log(lambda line: _is_verdict(line), start)
        return [
            str(line["message"]).removeprefix("reload refused: ")
            for line in self.log[start:]
            if str(line["message"]).startswith("reload refused: ")
        ]

    async def wait_for_log(self, matches, start: int = 0) -> dict[str, object]:  # type: ignore[no-untyped-def]
        """Return the first line from `start` on that `matches`; fails after START_S."""
        async with asyncio.timeout(START_S), self._news:
            while True:
                for line in self.log[start:]:
                    if matches(line):
                        return line
                await self._news.wait()

    async def stop(self, *, timeout_s: float = 10.0) -> int:
        """End it as at a terminal, which grants no time for new requests, and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    def rss_bytes(self) -> int:
        """Return the resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    async def read_log(self) -> None:
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            try:
                line = orjson.loads(raw)
            except orjson.JSONDecodeError:
                line = {"message": raw.decode(errors="replace").rstrip()}
            async with self._news:
                self.log.append(line)
                self._news.notify_all()


@asynccontextmanager
async def process(
    folder: Path,
    providers: str = SANDBOX,
    routes: str = ROUTES,
    environ: Mapping[str, str] | None = None,
    *,
    module: str = "gateway",
    arguments: Sequence[str] = (),
) -> AsyncIterator[Process]:
    """Run the gateway as a process on the YAML given, in `folder`, with nothing in its environment but `environ`.

    Another `module` is one that sets something inside the process, and then is the gateway.
    """
    (folder / "providers.yaml").write_text(providers)
    (folder / "routes.yaml").write_text(routes)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, "run", str(folder), *arguments,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1", **(environ or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1_048_576,
    )  # fmt: skip
    gateway = Process(folder, child, "", "")
    reader = asyncio.create_task(gateway.read_log())
    try:
        started = await _listening(child)
        if started is None:
            status = await child.wait()
            await reader
            told = [line["message"] for line in gateway.log]
            raise AssertionError(f"the gateway did not start; its exit code is {status}: {told}")
        gateway.url, gateway.banner = started
        yield gateway
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        await reader


async def _listening(child: asyncio.subprocess.Process) -> tuple[str, str] | None:
    assert child.stdout is not None
    banner = ""
    async with asyncio.timeout(START_S):
        while line := (await child.stdout.readline()).decode():
            banner += line
            if "http://127.0.0.1:" in line and "serves at" in line:
                url = line.split("serves at ")[1].split()[0]
                while (more := (await child.stdout.readline()).decode()).strip() or "Try it" not in banner:
                    banner += more
                return url, banner
    return None


def _is_verdict(line: dict[str, object]) -> bool:
    message = str(line["message"])
    return message.startswith("reload applied") or "serves on" in message


@dataclass
class Inside:
    """The gateway within the test's loop."""

    gateway: Gateway
    services: Services
    url: str


@asynccontextmanager
async def inside(
    folder: Path, providers: str = SANDBOX, routes: str = ROUTES, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Inside]:
    """Serve the YAML given on a free port of the test's own loop."""
    (folder / "providers.yaml").write_text(providers)
    (folder / "routes.yaml").write_text(routes)
    services = open_services()
    config = load(folder, environ or {})
    restorer = await open_ledger(config, services)
    gateway = Gateway(services, build_snapshot(config, services, 1))
    adopt(gateway.snapshot, services)
    reloader = Reloader(gateway, lambda: load(folder, environ or {}), restorer)
    runner = make_runner(gateway)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        gateway.url = base_url(runner)
        yield Inside(gateway, services, gateway.url)
    finally:
        await reloader.aclose()
        await runner.cleanup()
        await services.aclose()

"""An example as its reader has it: a copy of its folder, and the lines of its page run in a shell there.

    async with served(tmp_path / "gateway") as url:
        example = Example.copy("curl", tmp_path, GATEWAY_URL=url)
        assert "Hello!" in await example.run("./requests.sh")

`run` takes a line only as the page has it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.harness import ROOT, process

EXAMPLES = ROOT / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))
START_S = 30.0  # a loaded machine may take its time
END_S = 15.0


def lines_of(name: str) -> list[str]:
    """Return the lines of an example's page that are to be typed."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (EXAMPLES / name / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@dataclass(frozen=True)
class Example:
    """`ports` has those of the page, by which it is known on which of this machine's they are."""

    name: str
    folder: Path
    environ: dict[str, str]
    ports: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def copy(cls, name: str, to: Path, *, ports: Mapping[int, int] | None = None, **environ: str) -> Example:
        """Put it into a folder below `to`. Its lines run with the project's own Python and gateway."""
        generated = shutil.ignore_patterns("node_modules", "data", "talk", "__pycache__", "speech.*")
        folder = Path(shutil.copytree(EXAMPLES / name, to / name, ignore=generated))
        path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        own = {"PATH": path, "HOME": os.environ.get("HOME", str(to)), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        return cls(name, folder, own | environ, ports or {})

    async def run(self, line: str, *, typed: str = "", then: str = "", **environ: str) -> str:
        """Run a line to its end, and return what it printed.

        What the commands `typed` print is its input; `then` follows it in the same shell.
        """
        self._check(line)
        child = await self._start(f"({typed}) | {line}" if typed else f"{line}\n{then}", environ)
        out, err = await child.communicate()
        assert child.returncode == 0, f"{line}: {out.decode()}{err.decode()}"
        return out.decode()

    @asynccontextmanager
    async def running(self, line: str, *ready: str, **environ: str) -> AsyncIterator[None]:
        """Run a line that goes on until Ctrl-C; it is ready once something answers at each of the addresses."""
        self._check(line)
        child = await self._start(line, environ)
        talk = asyncio.create_task(child.communicate())
        try:
            for url in ready:
                await self._answers(url, talk)
            yield
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGINT)
            try:
                async with asyncio.timeout(END_S):
                    await talk
            except TimeoutError:
                os.killpg(child.pid, signal.SIGKILL)
                raise

    async def _answers(self, url: str, talk: asyncio.Task[tuple[bytes, bytes]]) -> None:
        async with asyncio.timeout(START_S), aiohttp.ClientSession() as http:
            while True:
                assert not talk.done(), talk.result()
                with suppress(aiohttp.ClientConnectionError):
                    async with http.get(url) as response:
                        if response.status < 500:
                            return
                await asyncio.sleep(0.05)

    def _check(self, line: str) -> None:
        assert line in lines_of(self.name), f"{line!r} is not on the page of {self.name}"

    async def _start(self, line: str, environ: Mapping[str, str]) -> asyncio.subprocess.Process:
        for port, here in self.ports.items():
            line = re.sub(rf"\b{port}\b", str(here), line)
        return await asyncio.create_subprocess_exec(
            "bash", "-ec", line, cwd=self.folder, env={**self.environ, **environ}, start_new_session=True,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip


@asynccontextmanager
async def served(folder: Path, **environ: str) -> AsyncIterator[str]:
    """Yield the address of a gateway on the default files, as `make run` starts it."""
    folder.mkdir()
    shutil.copytree(ROOT / "prompts", folder / "prompts")
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with process(folder, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0", **environ}) as gateway:
        yield gateway.url


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens at just now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()

"""Somebody who reads a page from its top to its bottom and does what it says, in one folder, with one gateway.

The folder holds the default files, and `gateway` is on the path. The gateway is started before the first line that
needs it; `gateway run` in a page starts the next one, on the folder that it names. What is typed is what stands there,
but for two things that no page can know: the port, and the key that the first start printed (`gw_…`).
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness import ROOT, START_S

DEFAULTS = ("routes.yaml", "providers.yaml", "prices.yaml")
COMMAND_S = 60.0  # of one block; a demo takes a few seconds
ADDRESS = "127.0.0.1:8001"
ADDRESSES = re.compile(r"127\.0\.0\.1:(?:8001|4000)")  # the second is where one listens that was imported
NEEDS_GATEWAY = re.compile(rf"{ADDRESSES.pattern}|\bgateway (?:cache|diff|explain|healthcheck|reload|rollback)\b")

# What a block begins and ends with: failures are failures, and the next block goes on where this one stopped.
BEFORE = """set -euo pipefail
curl() {{ command curl --silent --show-error --fail-with-body "$@"; }}
trap '{{ export -p; printf "cd %q\\n" "$PWD"; }} > {state}' EXIT
if [ -f {state} ]; then . {state}; fi
"""


@dataclass
class Gateway:
    """A gateway that serves in `folder`; its output goes to files beside it."""

    link: asyncio.subprocess.Process
    folder: Path
    url: str
    banner: str

    async def stop(self) -> None:
        """End it as at a terminal."""
        self.link.send_signal(signal.SIGINT)
        async with asyncio.timeout(START_S):
            await self.link.wait()


@dataclass
class Reader:
    """`async with Reader(folder, bin) as reader`; `bin` is a folder with the command `gateway`."""

    folder: Path
    bin: Path
    gateway: Gateway | None = None
    said: str = ""  # what the last shell block wrote to its standard output
    key: str = "gw_not-printed"
    _starts: int = 0
    _apart: Path = field(init=False)

    async def __aenter__(self) -> Self:
        self._apart = self.folder.with_name(self.folder.name + "-apart")
        for folder in (self.folder, self._apart):
            folder.mkdir()
        for name in DEFAULTS:
            shutil.copy(ROOT / name, self.folder)
        shutil.copytree(ROOT / "prompts", self.folder / "prompts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.gateway is not None:
            await self.gateway.stop()

    def environ(self) -> dict[str, str]:
        path = f"{self.bin}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self._apart), "GATEWAY_LISTEN": "127.0.0.1:0", "PYTHONUNBUFFERED": "1"}

    @property
    def _state(self) -> Path:
        return self._apart / "state"

    @property
    def place(self) -> Path:
        """The folder in which the reader is by now."""
        found = re.search(r"^cd (.*)$", self._state.read_text(), re.MULTILINE) if self._state.exists() else None
        return Path(shlex.split(found[1])[0]) if found else self.folder

    def typed(self, text: str) -> str:
        """Return what is typed where the page has `text`."""
        host = self.gateway.url.removeprefix("http://") if self.gateway is not None else ADDRESS
        return ADDRESSES.sub(host, text).replace("gw_…", self.key)

    async def need_gateway(self, text: str) -> None:
        """Start one where the text needs one and none serves."""
        if self.gateway is None and NEEDS_GATEWAY.search(text):
            await self.start("gateway run")

    async def start(self, line: str) -> None:
        """Run `gateway run …` in the place of the gateway that serves, and wait until it does."""
        if self.gateway is not None:
            await self.gateway.stop()
            self.gateway = None
        self._starts += 1
        out = self._apart / f"out-{self._starts}"
        with out.open("wb") as file, (self._apart / f"log-{self._starts}").open("wb") as log:
            link = await self._spawn(f"exec {line}", stdout=file, stderr=log)
        banner = ""
        async with asyncio.timeout(START_S):
            while "Try it" not in banner:
                assert link.returncode is None, (self._apart / f"log-{self._starts}").read_text()
                await asyncio.sleep(0.02)
                banner = out.read_text()
        found = re.search(r"serves at (http://\S+)", banner)
        assert found is not None
        self.gateway = Gateway(link, self.folder, found[1], banner)
        if key := re.search(r"gw_\w{49}", banner):
            self.key = key[0]

    async def shell(self, text: str, *, fails: bool = False) -> str:
        """Run a block of commands, and return what it wrote; AssertionError where one of them fails."""
        self.said = ""
        for part in re.split(r"^(gateway run(?!.*--exec).*)$", text, flags=re.MULTILINE):
            if part.startswith("gateway run") and "--exec" not in part:
                await self.start(part)
            elif part.strip():
                await self.need_gateway(part)
                self.said += await self._script(self.typed(part), fails=fails)
        return self.said

    async def python(self, text: str) -> str:
        """Run a program."""
        await self.need_gateway(text)
        (self.folder / "example.py").write_text(self.typed(text))
        self.said = await self._script("python example.py", fails=False)
        return self.said

    async def _script(self, text: str, *, fails: bool) -> str:
        shell = await self._spawn(text, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        async with asyncio.timeout(COMMAND_S):
            out, err = await shell.communicate()
        assert (shell.returncode == 0) is not fails, f"{text}: {out.decode()[-1000:]} {err.decode()[-2000:]}"
        return out.decode()

    async def _spawn(self, script: str, **streams: object) -> asyncio.subprocess.Process:
        state = shlex.quote(str(self._state))
        return await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            BEFORE.format(state=state) + script,
            cwd=self.folder,
            env=self.environ(),
            stdin=asyncio.subprocess.DEVNULL,
            **streams,  # type: ignore[arg-type] # files or PIPE
        )

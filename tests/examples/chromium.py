"""Debian's Chromium without a screen, driven by its own driver in the words of WebDriver (W3C), which are few and HTTP.

async with chromium(tmp_path, microphone=Path("hello.wav")) as page:
    await page.open("http://127.0.0.1:8080/")
    await page.click("#record")
    await page.wait_for("return document.title === 'done'")
"""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

START_S = 30.0  # a loaded machine may take its time
WAIT_S = 60.0
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key under which WebDriver names one


@dataclass
class Page:
    """One window. What it runs is JavaScript; what it returns is that as JSON."""

    http: aiohttp.ClientSession
    session: str

    async def open(self, url: str) -> None:
        await self._say("POST", "url", {"url": url})

    async def run(self, script: str) -> Any:
        return await self._say("POST", "execute/sync", {"script": script, "args": []})

    async def click(self, selector: str) -> None:
        """Click as a person does: the page may then make sounds."""
        found = await self._say("POST", "element", {"using": "css selector", "value": selector})
        await self._say("POST", f"element/{found[ELEMENT]}/click", {})

    async def wait_for(self, script: str) -> Any:
        """Return what the script returns, once that is true."""
        async with asyncio.timeout(WAIT_S):
            while not (value := await self.run(script)):
                await asyncio.sleep(0.1)
            return value

    async def picture(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(await self._say("GET", "screenshot")))

    async def _say(self, method: str, command: str, body: dict[str, Any] | None = None) -> Any:
        async with self.http.request(method, f"{self.session}/{command}", json=body) as response:
            value = (await response.json())["value"]
            assert response.status == 200, value
            return value


@asynccontextmanager
async def chromium(folder: Path, *, microphone: Path | None = None) -> AsyncIterator[Page]:
    """Yield a window of a browser of its own, into whose microphone the file is spoken once, from when it is opened."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = await asyncio.create_subprocess_exec(
        "chromedriver", f"--port={port}", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            session = await _begin(http, _options(folder, microphone))
            try:
                yield Page(http, f"/session/{session}")
            finally:
                await http.delete(f"/session/{session}")
    finally:
        driver.terminate()
        await driver.wait()


def _options(folder: Path, microphone: Path | None) -> dict[str, Any]:
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    arguments += [f"--user-data-dir={folder / 'browser'}", "--window-size=800,900"]
    if microphone is not None:
        arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        arguments += [f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    return {"browserName": "chrome", "goog:chromeOptions": {"args": arguments, "binary": "/usr/bin/chromium"}}


async def _begin(http: aiohttp.ClientSession, wanted: dict[str, Any]) -> str:
    async with asyncio.timeout(START_S):
        while True:
            try:
                async with http.post("/session", json={"capabilities": {"alwaysMatch": wanted}}) as response:
                    value = (await response.json())["value"]
                    assert response.status == 200, value
                    return str(value["sessionId"])
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)  # the driver starts

"""The page with a microphone, in a browser: what is said into it is written down, answered and played."""

from __future__ import annotations

import wave
from pathlib import Path

import aiohttp
import pytest

from tests.examples.chromium import Page, chromium
from tests.examples.pages import Example, free_ports, served

pytestmark = pytest.mark.slow

SAID = "The quick brown fox jumps over the lazy dog."
STATE = "document.querySelector('#record').dataset.state"
SECONDS = "parseInt(document.querySelector('#state').textContent.match(/[0-9]+/))"
ERROR = "document.querySelector('#error').hidden ? '' : document.querySelector('#error').textContent"
LINES = "[...document.querySelectorAll('#talk li')].map(line => [...line.childNodes].map(node => node.textContent))"
# What is played is listened to: how long it was, and whether it came to its end.
LISTEN = """
window.played = [];
const play = Audio.prototype.play;
Audio.prototype.play = function () {
  this.addEventListener("ended", () => played.push(this.duration));
  return play.call(this);
};
"""


async def spoken(url: str, file: Path) -> float:
    """Have the gateway say what is said into the microphone; return how many seconds that takes."""
    body = {"model": "speak", "voice": "nova", "input": SAID, "response_format": "wav"}
    async with aiohttp.ClientSession() as http, http.post(f"{url}/v1/audio/speech", json=body) as response:
        assert response.status == 200
        samples = await response.read()
    # A stream's header does not know its length, and the browser believes what it reads.
    data = samples[samples.index(b"data") + 8 :]
    rate_hz = int.from_bytes(samples[24:28], "little")
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(data)
    return len(data) / 2 / rate_hz


async def say(page: Page, seconds: float) -> None:
    await page.click("#record")
    await page.wait_for(f"return {STATE} === 'recording' && {SECONDS} >= {seconds}")
    await page.click("#record")


async def test_what_is_said_into_the_microphone_is_answered_and_played(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    async with served(tmp_path / "gateway", ALLOWED_ORIGINS=origin) as url:
        seconds = await spoken(url, tmp_path / "said.wav")
        example = Example.copy("browser", tmp_path, ports={8080: port})
        async with (
            example.running("python3 -m http.server 8080 --bind 127.0.0.1", origin),
            chromium(tmp_path, microphone=tmp_path / "said.wav") as page,
        ):
            await page.open(f"{origin}/?gateway={url}")
            await page.run(LISTEN)
            await say(page, seconds + 1)
            await page.wait_for(f"return {STATE} === 'ready'")
            assert await page.run(f"return {ERROR}") == ""

            (heard, by), (answered, by_whom) = await page.run(f"return {LINES}")
            # A busy machine's browser stutters, and the local recognition mishears: some of the words are enough.
            assert len(set(heard.split()) & {"quick", "brown", "fox", "over", "lazy", "dog"}) >= 2, heard
            assert by == "local-stt/pocketsphinx · 0 USD"
            assert (answered, by_whom) == (heard, "sandbox/chat · 0 USD")
            (played,) = await page.run("return played")
            assert played > 1

            # An origin that is not allowed is told what to do.
            await page.open(f"http://localhost:{port}/?gateway={url}")
            await say(page, 1)
            error = await page.wait_for(f"return {ERROR}")
            assert f"does it run, with ALLOWED_ORIGINS=http://localhost:{port}?" in error
            assert await page.run(f"return {STATE}") == "ready"

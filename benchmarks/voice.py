"""What the gateway adds to voice: time to the first audio over a direct call, and memory for large uploads.

The vendor and the client are in this process, the gateway in its own; all on loopback. Direct and through are taken in
turns, so that a busy machine slows both. Promised: time to first audio + <= 1 ms at the median on the verbatim path; 16
uploads of 25 MB at once cost <= 2 MB of resident memory each.
"""

from __future__ import annotations

import asyncio
import io
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.harness import Process, process

CALLS = 300
WARM_UP = 30
UPLOADS = 16
UPLOAD_BYTES = 25 * 1024 * 1024 - 4096  # just below the vendor's limit, with its form
CHUNK = b"\0\1" * 2_400  # 100 ms of pcm
PROMISED_MS, PROMISED_MB = 1.0, 2.0

PROVIDERS = """
version: 1
providers:
  vendor:
    plugin: openai
    base_url: {url}/v1
    credentials: {{api_key: bench-0123456789abcdef}}
    models:
      tts-1: {{operation: speech, formats: [pcm]}}
      whisper-1: {{operation: transcription}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0", log_level: warning}
keys: {anonymous: loopback}
models:
  speak: {operation: speech, targets: [vendor/tts-1]}
  transcribe: {operation: transcription, targets: [vendor/whisper-1]}
routes:
  - {path: /v1/audio/speech, dialect: openai.speech}
  - {path: /v1/audio/transcriptions, dialect: openai.transcription}
"""


class Vendor:
    """Speaks at once, and reads uploads without keeping them. `hold` keeps answers to uploads back until it is set."""

    def __init__(self) -> None:
        self.hold = asyncio.Event()
        self.uploads_begun = 0
        self.received_bytes = 0

    async def speech(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"content-type": "audio/pcm"})
        await response.prepare(request)
        for _ in range(5):
            await response.write(CHUNK)
        return response

    async def transcription(self, request: web.Request) -> web.StreamResponse:
        async for chunk in request.content.iter_any():
            self.received_bytes += len(chunk)
        self.uploads_begun += 1
        await self.hold.wait()
        return web.json_response({"text": "heard"})


async def first_audio_ms(http: aiohttp.ClientSession, base_url: str, model: str) -> float:
    start = time.perf_counter()
    body = {"model": model, "input": "hello", "voice": "nova", "response_format": "pcm"}
    headers = {"authorization": "Bearer bench-0123456789abcdef"}
    async with http.post(base_url + "/v1/audio/speech", json=body, headers=headers) as response:
        await response.content.readany()
        taken = (time.perf_counter() - start) * 1000
        await response.read()
    return taken


async def speech(http: aiohttp.ClientSession, vendor_url: str, gateway: Process) -> None:
    direct: list[float] = []
    through: list[float] = []
    for number in range(WARM_UP + CALLS):
        one = await first_audio_ms(http, vendor_url, "tts-1")
        other = await first_audio_ms(http, gateway.url, "speak")
        if number >= WARM_UP:
            direct.append(one)
            through.append(other)
    one, other = statistics.median(direct), statistics.median(through)
    print(
        f"time to first audio, median of {CALLS}: direct {one:.2f} ms, through {other:.2f} ms, "
        f"added {other - one:.2f} ms   promised <= {PROMISED_MS:g} ms   {verdict(other - one <= PROMISED_MS)}"
    )


async def upload(http: aiohttp.ClientSession, gateway: Process, audio: bytes) -> None:
    form = aiohttp.FormData()
    form.add_field("model", "transcribe")
    form.add_field("file", io.BytesIO(audio), filename="long.wav", content_type="audio/wav")
    async with http.post(gateway.url + "/v1/audio/transcriptions", data=form) as response:
        assert response.status == 200, await response.text()


async def uploads(http: aiohttp.ClientSession, vendor: Vendor, gateway: Process) -> None:
    from gateway.audio.wav import wrap

    audio = wrap(b"\0\1" * ((UPLOAD_BYTES - 44) // 2), 24_000)
    vendor.hold.set()
    await upload(http, gateway, audio)  # the first brings in what is imported and allocated once
    vendor.hold.clear()
    vendor.uploads_begun = 0
    before = gateway.rss_bytes()
    highest = before
    running = [asyncio.create_task(upload(http, gateway, audio)) for _ in range(UPLOADS)]
    while vendor.uploads_begun < UPLOADS and not any(task.done() for task in running):
        highest = max(highest, gateway.rss_bytes())
        await asyncio.sleep(0.01)
    vendor.hold.set()
    await asyncio.gather(*running)
    each_mb = (highest - before) / UPLOADS / 1e6
    print(
        f"{UPLOADS} uploads of {len(audio) / 1e6:.1f} MB at once: {before / 1e6:.0f} MB resident before, "
        f"{highest / 1e6:.0f} MB at most, {each_mb:.2f} MB each   "
        f"promised <= {PROMISED_MB:g} MB   {verdict(each_mb <= PROMISED_MB)}"
    )


def verdict(is_kept: bool) -> str:
    return "kept" if is_kept else "NOT KEPT"


async def main() -> None:
    vendor = Vendor()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/audio/speech", vendor.speech)
    app.router.add_post("/v1/audio/transcriptions", vendor.transcription)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with tempfile.TemporaryDirectory() as folder:
        async with process(Path(folder), PROVIDERS.format(url=url), ROUTES) as gateway, aiohttp.ClientSession() as http:
            await speech(http, url, gateway)
            await uploads(http, vendor, gateway)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())

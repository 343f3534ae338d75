"""Two hours of known speech by a vendor that takes one minute: are all words there, in order, at their times?

    python -m tests.proofs.hours --seconds 7200 --vendor google-stt/latest_long --most-s 60

The gateway is a process of its own, whose memory is looked at; the vendor is a simulator in this one.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import logging
import sys
import tempfile
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import av

from tests import harness
from tests.vendors.spelled import SpelledWord, spell
from tests.voice_table import LISTENERS, SIMULATORS

RATE_HZ = 16_000
LOOK_S = 0.2
PATIENCE_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of it; times in seconds."""

    words: int
    is_all: bool
    error_s: float  # of a word's start or end, at most
    parts: int
    upload_bytes: int
    first_s: float  # until the first text was there
    took_s: float
    peak_mib: float  # of the gateway, above what it had before


def flac(pcm: bytes) -> bytes:
    """Return 16 kHz mono as a FLAC file that says how long it is."""
    out, samples = io.BytesIO(), array("h", pcm)
    with av.open(out, "w", format="flac") as file:
        stream = file.add_stream("flac", rate=RATE_HZ, layout="mono")
        for at in range(0, len(samples), RATE_HZ):
            piece = samples[at : at + RATE_HZ]
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece))
            frame.sample_rate = RATE_HZ
            frame.planes[0].update(piece.tobytes())
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


async def prove(folder: Path, seconds: float, target: str, most_s: float) -> Proof:
    """Have a recording of so many seconds written down by a target that takes `most_s` at once."""
    pcm, truth = spell(seconds, RATE_HZ)
    audio = flac(pcm)
    name, _, model = target.partition("/")
    async with SIMULATORS[name]() as vendor:
        limited = LISTENERS[target].replace(
            "operation: transcription", f"operation: transcription, max_audio_s: {most_s:g}"
        )
        providers = f"version: 1\nproviders:\n  {name}:{limited}\n    base_url: {vendor.base_url}\n"
        routes = f"""
version: 1
server: {{listen: "127.0.0.1:0", max_upload_bytes: 1000000000}}
keys: {{anonymous: loopback}}
models: {{listen: {{operation: transcription, targets: [{name}/{model}]}}}}
defaults: {{failover: {{first_content_s: 600}}, timeouts: {{first_byte_s: 600}}}}
routes: [{{path: /stt, dialect: openai.transcription, model: listen}}]
"""
        async with harness.process(folder, providers, routes) as gateway:
            idle_bytes = gateway.rss_bytes()
            looking = asyncio.create_task(_peak(gateway))
            began_s = time.monotonic()
            answer, parts = await _written(gateway.url, audio)
            took_s = time.monotonic() - began_s
            looking.cancel()
            peak = await looking
            first_s = await _first(gateway.url, audio)
    return Proof(len(truth), *_compared(answer, truth), parts, len(audio), first_s, took_s, (peak - idle_bytes) / 2**20)


async def _peak(gateway: harness.Process) -> int:
    peak = 0
    try:
        while True:
            peak = max(peak, gateway.rss_bytes())
            await asyncio.sleep(LOOK_S)
    except asyncio.CancelledError:
        return peak


def _form(audio: bytes, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(audio), filename="said.flac")
    for key, value in fields.items():
        form.add_field(key, value)
    return form


async def _written(url: str, audio: bytes) -> tuple[dict[str, object], int]:
    form = _form(audio, **{"response_format": "verbose_json", "timestamp_granularities[]": "word"})
    timeout = aiohttp.ClientTimeout(PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.post(url + "/stt", data=form) as response:
        body = await response.text()
        if response.status != 200:
            raise RuntimeError(body)
        return json.loads(body), int(response.headers.get("x-gateway-parts", 0))


async def _first(url: str, audio: bytes) -> float:
    """Return how long a client that reads a stream waits for its first text."""
    began_s = time.monotonic()
    timeout = aiohttp.ClientTimeout(PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        async with http.post(url + "/stt", data=_form(audio, stream="true")) as response:
            await response.content.readline()
            return time.monotonic() - began_s


def _compared(answer: dict[str, object], truth: list[SpelledWord]) -> tuple[bool, float]:
    words = answer["words"]
    assert isinstance(words, list)
    is_all = [word["word"] for word in words] == [word.text for word in truth]
    errors_s = [
        max(abs(word["start"] - true.start_s), abs(word["end"] - true.end_s))
        for word, true in zip(words, truth, strict=False)
    ]
    return is_all, max(errors_s, default=float("inf"))


def main() -> int:
    parser = argparse.ArgumentParser(description="have hours of known speech written down in pieces")
    parser.add_argument("--seconds", type=float, default=7_200.0)
    parser.add_argument("--vendor", choices=sorted(LISTENERS), default="google-stt/latest_long")
    parser.add_argument("--most-s", type=float, default=60.0)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the simulator's, whose client leaves
    with tempfile.TemporaryDirectory(prefix="gateway-hours-") as folder:
        proof = asyncio.run(prove(Path(folder), given.seconds, given.vendor, given.most_s))
    sys.stdout.write(
        f"{given.seconds:g} s in {proof.upload_bytes / 1e6:.1f} MB, {proof.parts} parts: "
        f"{'all' if proof.is_all else 'NOT all'} of {proof.words} words, each within {proof.error_s * 1000:.0f} ms; "
        f"took {proof.took_s:.1f} s, the first text came after {proof.first_s:.1f} s, "
        f"and the gateway took {proof.peak_mib:.0f} MiB more at most\n"
    )
    return 0 if proof.is_all and proof.error_s < 0.1 else 1


if __name__ == "__main__":
    sys.exit(main())

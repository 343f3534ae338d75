"""The local plugins with their real workers and without the gateway around them; sox and ffmpeg as the ears."""

from __future__ import annotations

import io
import json
import math
import subprocess
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.plugin import Plugin
from gateway.types import (
    AudioChunk,
    Body,
    Call,
    Event,
    Head,
    Model,
    Provider,
    Receipt,
    Recording,
    Speech,
    Target,
    Upload,
)
from gateway.upstream.workers import WorkerPool

RATE_HZ = 24_000


def call_for(body: Body) -> Call:
    head = Head("r1", "POST", "/", {}, {}, "127.0.0.1")
    operation: Any = "speech" if isinstance(body, Speech) else "transcription"
    return Call("r1", operation, "test", "m", body, head, Receipt("r1", 0.0))


def target_for(plugin: Plugin, **options: Any) -> Target:
    model = Model("m", "speech")
    return Target(Provider("local", plugin, "local:", options=options), model, plugin.default_voices)


def recording(data: bytes, container: str = "wav", **fields: Any) -> Recording:
    return Recording(Upload("a." + container, "audio/x", len(data), io.BytesIO(data)), container, **fields)


async def events(pool: WorkerPool, plugin: Plugin, body: Body, **options: Any) -> list[Event]:
    """All events of an answer; raises what the gateway would, also for an answer that is an error."""
    call = call_for(body)
    response = await pool.answer(plugin.build(call, target_for(plugin, **options)))
    try:
        if response.status != 200:
            data = b"".join([chunk async for chunk in response.chunks])
            raise plugin.parse_error(response.status, response.headers, data)
        return [event async for event in plugin.parse(call, response)]
    finally:
        await response.close()


def sound_of(answer: list[Event]) -> bytes:
    return b"".join(event.data for event in answer if isinstance(event, AudioChunk))


def probe(audio: bytes, *, is_pcm: bool = False) -> Mapping[str, str]:
    """codec_name, sample_rate, channels and format_name, as ffprobe sees the bytes."""
    command = ["ffprobe", "-v", "error", *_raw(is_pcm), "-show_entries", "stream=codec_name,sample_rate,channels"]
    shown = subprocess.run(
        [*command, "-show_entries", "format=format_name", "-of", "json", "-"],
        input=audio,
        capture_output=True,
        check=True,
    )
    found = json.loads(shown.stdout)
    return {**found["streams"][0], **found["format"]}


def decode(audio: bytes, *, is_pcm: bool = False, rate_hz: int = RATE_HZ) -> array[int]:
    """Mono samples at `rate_hz`; fails where ffmpeg finds anything to complain about."""
    raw_out = ["-f", "s16le", "-ac", "1", "-ar", str(rate_hz), "-"]
    command = ["ffmpeg", "-v", "error", "-xerror", *_raw(is_pcm), "-i", "-", *raw_out]
    done = subprocess.run(command, input=audio, capture_output=True, check=True)
    assert done.stderr == b""
    return array("h", done.stdout)


def rms(samples: array[int]) -> float:
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples)))


def convert(audio: bytes, *options: str) -> bytes:
    """The recording in another form, by ffmpeg."""
    command = ["ffmpeg", "-v", "error", "-i", "-", *options, "-"]
    return subprocess.run(command, input=audio, capture_output=True, check=True).stdout


def without_av(file: str, folder: Path) -> str:
    """A FILE that is `file` on a machine where PyAV is not installed."""
    wrapper = folder / "without_av.py"
    wrapper.write_text(f"import runpy, sys\nsys.modules['av'] = None\nwork = runpy.run_path({file!r})['work']\n")
    return str(wrapper)


def _raw(is_pcm: bool) -> list[str]:
    return ["-f", "s16le", "-ar", str(RATE_HZ), "-ch_layout", "mono"] if is_pcm else []

"""The fake OpenAI's speech: real audio of the asked format, chunked, its pitch telling the voice."""

from __future__ import annotations

import base64
import json
import struct
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.vendors import tones
from tests.vendors.openai import OpenAIServer
from tests.vendors.recordings import container_of, duration_s

TEXT = "x" * 50  # one second at 20 ms a character
needs_av = pytest.mark.skipif(find_spec("av") is None, reason="compressed audio needs PyAV")


def pitch_hz(pcm: bytes) -> int:
    """Return upward zero crossings a second."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    return sum(1 for a, b in pairwise(samples) if a < 0 <= b) * 24_000 // len(samples)


async def speak(client: AsyncOpenAI, **options: Any) -> bytes:
    request: dict[str, Any] = {"model": "tts-1", "voice": "nova", "input": TEXT, "response_format": "pcm"} | options
    return (await client.audio.speech.create(**request)).content


async def test_pcm_is_24_khz_and_its_pitch_is_the_voice(client: AsyncOpenAI) -> None:
    nova, alloy = await speak(client), await speak(client, voice="alloy")
    assert len(nova) == len(alloy) == 48_000
    assert abs(pitch_hz(nova) - 400) < 3
    assert abs(pitch_hz(alloy) - 200) < 3


async def test_speed_shortens(client: AsyncOpenAI) -> None:
    assert len(await speak(client, speed=2)) == 24_000


@pytest.mark.parametrize(
    ("name", "container", "content_type"),
    [
        pytest.param("mp3", "mp3", "audio/mpeg", marks=needs_av),
        pytest.param("opus", "ogg", "audio/ogg", marks=needs_av),
        pytest.param("aac", "aac", "audio/aac", marks=needs_av),
        pytest.param("flac", "flac", "audio/flac", marks=needs_av),
        ("wav", "wav", "audio/wav"),
    ],
)
async def test_formats_are_what_they_say(
    http: aiohttp.ClientSession, name: str, container: str, content_type: str
) -> None:
    body = {"model": "tts-1", "voice": "nova", "input": TEXT, "response_format": name}
    async with http.post("/v1/audio/speech", json=body) as response:
        audio = await response.read()
    assert response.headers["content-type"] == content_type
    assert response.headers["transfer-encoding"] == "chunked"
    assert container_of(audio) == container
    assert duration_s(audio) == pytest.approx(1.0, abs=0.1)  # encoders pad to whole frames


async def test_without_encoders_compressed_formats_are_500(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tones, "find_spec", lambda name: None)
    tones.tone_file.cache_clear()
    async with http.post("/v1/audio/speech", json={"model": "tts-1", "voice": "nova", "input": TEXT}) as response:
        error = (await response.json())["error"]
    assert (response.status, error["message"]) == (500, "simulator lacks av")


async def test_events_carry_the_same_audio_and_usage(client: AsyncOpenAI, http: aiohttp.ClientSession) -> None:
    body = {"model": "gpt-4o-mini-tts", "voice": "nova", "input": TEXT, "response_format": "pcm"}
    async with http.post("/v1/audio/speech", json=body | {"stream_format": "sse"}) as response:
        lines = (await response.text()).split("\n\n")
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    audio = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert audio == await speak(client, model="gpt-4o-mini-tts")
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    usage = {"input_tokens": 13, "output_tokens": 20, "total_tokens": 33}
    assert events[-1] == {"type": "speech.audio.done", "usage": usage}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"input": "x" * 4096}, 200),
        ({"input": "x" * 4097}, 400),
        ({"input": ""}, 400),
        ({"voice": "marin"}, 400),
        ({"voice": "marin", "model": "gpt-4o-mini-tts"}, 200),
        ({"voice": "Joanna"}, 400),
        ({"voice": {"id": "voice_1"}, "model": "gpt-4o-mini-tts"}, 200),
        ({"voice": {"id": "voice_1"}}, 400),
        ({"speed": 0.25}, 200),
        ({"speed": 0.24}, 400),
        ({"speed": 4.01}, 400),
        ({"instructions": "gently"}, 400),
        ({"instructions": "gently", "model": "gpt-4o-mini-tts"}, 200),
        ({"stream_format": "sse"}, 400),
        ({"response_format": "ogg"}, 400),
        ({"language": "en"}, 400),
        ({"model": "whisper-1"}, 403),
    ],
)
async def test_limits(http: aiohttp.ClientSession, change: dict[str, Any], status: int) -> None:
    body = {"model": "tts-1", "voice": "nova", "input": "hello", "response_format": "pcm"} | change
    async with http.post("/v1/audio/speech", json=body) as response:
        assert response.status == status, (await response.read())[:500]


async def test_chunks_are_writes_of_their_own(vendor: OpenAIServer, client: AsyncOpenAI) -> None:
    await speak(client)
    record = await vendor.requests[-1].wait_ended()
    assert (record.events_sent, record.bytes_sent, record.outcome) == (10, 48_000, "complete")

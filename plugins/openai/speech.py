"""Speech as OpenAI takes and gives it (vendors.md 1.4, 2026-11-23)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.audio.sniff import content_type
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.types import (
    AudioChunk,
    AudioFormat,
    Call,
    Done,
    Event,
    Speech,
    Target,
    Units,
    UpstreamResponse,
    Usage,
)

PCM_RATE_HZ = 24_000  # OpenAI's pcm is 24 kHz, 16 bit, mono, with no header


def build(call: Call, target: Target) -> bytes:
    assert isinstance(call.body, Speech)
    speech = call.body
    body: dict[str, Any] = {
        "model": target.model.name,
        "input": speech.text,
        "voice": target.voice_for(speech.voice) or speech.voice,
        "response_format": speech.format,
    }
    if speech.speed != 1.0:
        body["speed"] = speech.speed
    if speech.instructions is not None:
        body["instructions"] = speech.instructions
    if call.dialect == "openai.speech":
        body |= speech.extra
    return json.dumps(body)


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    """Yield the audio as it comes. Its end is certain only where HTTP frames it, so a body without frame is refused."""
    assert isinstance(call.body, Speech)
    _check_audio(response)
    format = AudioFormat(call.body.format, content_type(call.body.format, PCM_RATE_HZ), PCM_RATE_HZ)
    is_empty = True
    async for chunk in response.chunks:
        yield AudioChunk(chunk, format if is_empty else None)
        is_empty = False
    if is_empty:
        raise UpstreamCut("the vendor's answer holds no audio")
    yield Usage(Units(characters=len(call.body.text)))
    yield Done()


def _check_audio(response: UpstreamResponse) -> None:
    kind = response.headers.get("content-type", "")
    if kind.startswith(("application/json", "text/")):
        raise UpstreamMalformed(f"the vendor answered {kind[:60]!r} where audio was asked for")
    if "content-length" not in response.headers and "chunked" not in response.headers.get("transfer-encoding", ""):
        raise UpstreamMalformed("the vendor's audio has neither length nor chunks: its end cannot be told from a cut")

"""Speech as OpenAI takes and gives it (vendors.md 1.4, 2026-11-23)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.audio.answer import audio_events, audio_format, read_audio
from gateway.types import Call, Event, Speech, Target, Units, UpstreamResponse, Usage

RATE_HZ = 24_000  # of all it makes; its pcm is 16 bit, mono, with no header


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


def refusal(call: Call) -> str | None:
    """OpenAI takes no sample rate: what it gives has one, and that is another or the one that is wanted."""
    assert isinstance(call.body, Speech)
    speech = call.body
    if speech.sample_rate_hz not in (None, RATE_HZ):
        return f"has no {speech.format} at {speech.sample_rate_hz} Hz; it has {RATE_HZ} Hz"
    return "takes no SSML" if speech.is_ssml else None


def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    """Return the audio as it comes, checked to be what was asked for."""
    assert isinstance(call.body, Speech)
    promised = audio_format(call.body.format, RATE_HZ)
    return audio_events(read_audio(response, promised), promised, Usage(Units(characters=len(call.body.text))))

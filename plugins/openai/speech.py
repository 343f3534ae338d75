"""Speech as OpenAI takes and gives it (vendors.md 1.4, 2026-11-23)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

from gateway import json, sse
from gateway.audio.answer import audio_events, audio_format, checked, read_audio
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

from .errors import parse_object

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
    if _reports_usage(target):
        body["stream_format"] = "sse"
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
    if call.target is not None and _reports_usage(call.target):
        return _events(response, promised)
    return audio_events(read_audio(response, promised), promised, Usage(Units(characters=len(call.body.text))))


def _reports_usage(target: Target) -> bool:
    return bool(target.model.options.get("speech_usage"))


async def _events(response: UpstreamResponse, promised: AudioFormat) -> AsyncIterator[Event]:
    """Read `speech.audio.delta` … `speech.audio.done`; the last one, which has the usage, is the end mark."""
    kind = response.headers.get("content-type", "")
    if not kind.startswith("text/event-stream"):
        raise UpstreamMalformed(f"the vendor answered {kind[:60]!r} where a stream of events was asked for")
    done: list[Usage] = []
    is_first = True
    async for chunk in checked(_deltas(response, done), promised):
        yield AudioChunk(chunk, promised if is_first else None)
        is_first = False
    if is_first or not done:
        raise UpstreamCut("the vendor's speech ended before its event speech.audio.done")
    yield done[0]
    yield Done()


async def _deltas(response: UpstreamResponse, done: list[Usage]) -> AsyncIterator[bytes]:
    """Yield the audio of the events; what the last one says of the usage goes into `done`."""
    async for event in sse.read(response.chunks):
        fields = parse_object(event.data) if event.data not in (b"", b"[DONE]") else {}
        if fields.get("type") == "speech.audio.done":
            usage = fields.get("usage") or {}
            units = Units(input_tokens=usage.get("input_tokens") or 0, output_tokens=usage.get("output_tokens") or 0)
            done.append(Usage(units, is_estimated=not usage))
            return
        if fields.get("type") == "speech.audio.delta":
            try:
                yield base64.b64decode(fields.get("audio") or "", validate=True)
            except ValueError as error:
                raise UpstreamMalformed("the audio of an event is not base64") from error

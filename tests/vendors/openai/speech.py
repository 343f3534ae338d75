"""POST /audio/speech: a tone for a voice. Wire format: vendors.md 1.4 (openai 3.54.0 and OpenAPI file, 2026-11-23)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

from openai.types.audio.speech_create_params import SpeechCreateParams

from tests.vendors.answers import Answer
from tests.vendors.openai.errors import Refusal
from tests.vendors.openai.models import ALL_VOICES, ModelRule, model_for
from tests.vendors.openai.requests import Range, check_length, check_ranges, check_schema, json_body
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import data_event
from tests.vendors.strict import StrictValidator
from tests.vendors.tokens import count_tokens
from tests.vendors.tones import EncoderMissing, tone_file

SECONDS_PER_CHARACTER = 0.02  # shorter than speech is, so that 4096 characters stay at 4 MB of PCM
CHUNK_BYTES = 4800  # 0.1 s of 24 kHz s16le mono
AUDIO_TOKENS_PER_S = 20  # of the simulator; the live rate is not documented
CUSTOM_VOICE_HZ = 1200
# One pitch a voice: divisors of 24,000, so that a tone's period is a whole number of samples.
PITCHES_HZ = dict(zip(ALL_VOICES, (200, 240, 250, 300, 320, 375, 400, 480, 500, 600, 750, 800, 1000), strict=True))
# UNV: the live content types are known for mp3 only.
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def speech_answer(record: RequestRecord) -> Answer:
    """Return the answer to a speech request; raises Refusal."""
    body = json_body(record)
    record.model = body.get("model") if isinstance(body.get("model"), str) else None
    check_schema(_validator(), body)
    rule = model_for("speech", body["model"])
    _check_limits(body, rule)
    audio = speech_bytes(body)
    chunks = tuple(audio[start : start + CHUNK_BYTES] for start in range(0, len(audio), CHUNK_BYTES))
    if body.get("stream_format") == "sse":
        return _events_answer(body, chunks)
    audio_format = body.get("response_format", "mp3")
    return Answer(200, (("content-type", CONTENT_TYPES[audio_format]),), chunks, is_streamed=True)


def speech_bytes(body: Mapping[str, Any]) -> bytes:
    """Return the whole audio answering a valid request."""
    voice = body["voice"]
    pitch_hz = PITCHES_HZ[voice] if isinstance(voice, str) else CUSTOM_VOICE_HZ
    try:
        return tone_file(body.get("response_format", "mp3"), pitch_hz, speech_duration_s(body))
    except EncoderMissing as error:
        raise Refusal(str(error), status=500, type="server_error") from error


def speech_duration_s(body: Mapping[str, Any]) -> float:
    """Return how long the fake speaks: 20 ms a character over the speed."""
    return len(body["input"]) * SECONDS_PER_CHARACTER / (body.get("speed") or 1.0)


def speech_usage(body: Mapping[str, Any]) -> dict[str, int]:
    """Return the usage that only stream_format=sse reports."""
    text = count_tokens(body["input"]) + count_tokens(body.get("instructions") or "")
    audio = -int(-speech_duration_s(body) * AUDIO_TOKENS_PER_S // 1)
    return {"input_tokens": text, "output_tokens": audio, "total_tokens": text + audio}


@cache
def _validator() -> StrictValidator:
    return StrictValidator(SpeechCreateParams)


def _check_limits(body: Mapping[str, Any], rule: ModelRule) -> None:
    check_length("input", body["input"], 1, 4096)
    check_ranges(body, {"speed": Range(0.25, 4)})
    voice = body["voice"]
    if isinstance(voice, str) and voice not in rule.voices:
        supported = ", ".join(f"'{name}'" for name in rule.voices)
        raise Refusal(f"Invalid value: '{voice}'. Supported values are: {supported}.", "voice", "invalid_value")
    if isinstance(voice, dict) and not rule.is_steerable:
        raise Refusal("Custom voices are not supported with this model.", "voice", "unsupported_value")
    if not rule.is_steerable and body.get("instructions") is not None:
        raise Refusal("The 'instructions' parameter is not supported with this model.", "instructions")
    if not rule.is_steerable and body.get("stream_format") == "sse":
        raise Refusal("stream_format 'sse' is not supported with this model.", "stream_format", "unsupported_value")
    check_length("instructions", body.get("instructions") or "", 0, 4096)


def _events_answer(body: Mapping[str, Any], chunks: tuple[bytes, ...]) -> Answer:
    headers = (("content-type", "text/event-stream; charset=utf-8"),)
    deltas = ({"type": "speech.audio.delta", "audio": base64.b64encode(chunk).decode()} for chunk in chunks)
    done = data_event({"type": "speech.audio.done", "usage": speech_usage(body)})
    return Answer(200, headers, tuple(data_event(delta) for delta in deltas), done, is_streamed=True)

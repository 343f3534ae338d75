"""POST /v1/text-to-speech/{voice_id}[/stream]: names and values out of elevenlabs 2.78.0, limits out of tables here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from elevenlabs.text_to_speech.raw_client import RawTextToSpeechClient
from elevenlabs.types.voice_settings import VoiceSettings

from tests.vendors import fern
from tests.vendors.answers import Answer
from tests.vendors.elevenlabs.errors import Refusal
from tests.vendors.recording import RequestRecord
from tests.vendors.voices import Said, chunked, speech

CHUNK_BYTES = 4_096
DEFAULT_FORMAT = "mp3_44100_128"
QUERY = frozenset({"enable_logging", "optimize_streaming_latency", "output_format"})
# model -> (most characters, credits a character); vendors.md 8, the credits are third-party
MODELS: Mapping[str, tuple[int, float]] = {
    "eleven_multilingual_v2": (10_000, 1.0),
    "eleven_flash_v2_5": (40_000, 0.5),
    "eleven_turbo_v2_5": (40_000, 0.5),
    "eleven_flash_v2": (30_000, 0.5),
}
VOICE_IDS = frozenset(
    {
        *("Xb7hH8MSUJpSbSDYk0k2", "nPczCjzI2devNBz1zQrb", "N2lVS1w4EtoT3dr4eOWO", "IKne3meq5aSn9XLyUdCD"),
        *("iP95p4xoKVk53GoZ742B", "onwK4e9ZLuTAKqWW03F9", "cjVigY5qzO86Huf0OWal", "JBFqnCBsd6RMkjVDRZzb"),
        *("cgSgspJ2msm6clMCkdW9", "FGY2WhTYpPnrIDTdsKH5", "TX3LPaxmHKxFdv7VOQHJ", "pFZP5JQG7iQjIQuC4Bku"),
        *("XrExE9yKIg1WjnnlVkGX", "CwhRBWXzGAHq8TQ4Fs17", "EXAVITQu4vr4xnSDxMaL", "bIHbv24MWmeRgasZH58o"),
    }
)
CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "pcm": "audio/pcm",
    "ulaw": "audio/basic",
    "alaw": "audio/alaw",
}
SETTING_RANGES = {"stability": (0, 1), "similarity_boost": (0, 1), "style": (0, 1), "speed": (0.7, 1.2)}
ENGLISH_ONLY = frozenset({"eleven_flash_v2"})


def speak_answer(record: RequestRecord) -> Answer:
    """Return the spoken text, as a stream or whole; raises Refusal."""
    match = re.fullmatch(r"/v1/text-to-speech/([^/]+)(/stream)?", record.path)
    if match is None:
        raise Refusal("Not Found", 404)
    body = _body(record)
    record.model = body.get("model_id", "eleven_multilingual_v2")
    query = _query(record)
    voice, is_streamed = match[1], match[2] is not None
    if voice not in VOICE_IDS:
        raise Refusal(f"A voice with the voice_id {voice} was not found.", 404, "voice_not_found")
    most, credits = _model(record.model)
    text = body["text"]
    if len(text) > most:
        raise Refusal(f"This request exceeds the maximum of {most} characters.", 400, "max_character_limit_exceeded")
    speed = _settings(body.get("voice_settings") or {})
    if "language_code" in body and "multilingual" in record.model:
        raise Refusal("language_code is not supported by this model.", 400, "unsupported_language")
    codec, rate = query.get("output_format", DEFAULT_FORMAT).split("_")[:2]
    spoken = speech(Said(text, voice, {"ulaw": "mulaw"}.get(codec, codec), int(rate), speed))
    headers = (
        ("content-type", CONTENT_TYPES[codec]),
        ("request-id", f"req{record.number:017d}"),
        ("character-cost", str(-int(-len(text) * credits // 1))),
        ("current-concurrent-requests", "1"),
        ("maximum-concurrent-requests", "10"),
    )
    events = chunked(spoken, CHUNK_BYTES) if is_streamed else (spoken,)
    return Answer(200, headers, events, is_streamed=is_streamed)


@cache
def _rules() -> Mapping[str, Any]:
    return {name: hint for name, hint in fern.known(RawTextToSpeechClient.stream).items() if name != "voice_id"}


def _query(record: RequestRecord) -> Mapping[str, str]:
    pairs = parse_qsl(record.target.partition("?")[2], keep_blank_values=True)
    query = dict(pairs)
    rules = {name: hint for name, hint in _rules().items() if name in QUERY}
    fault = fern.query_fault(rules, query) or ("a parameter stands twice" if len(query) != len(pairs) else None)
    if fault is not None:
        raise Refusal(fault, 422, place=("query", "output_format"))
    return query


def _body(record: RequestRecord) -> dict[str, Any]:
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    try:
        body = json.loads(record.body.decode("utf-8")) if kind == "application/json" else None
    except ValueError as error:
        raise Refusal("JSON decode error", place=("body",)) from error
    if not isinstance(body, dict):
        raise Refusal("Input should be a valid dictionary", place=("body",))
    for name in body:
        if name not in _rules() or name in QUERY:
            raise Refusal("Extra inputs are not permitted", place=("body", name))
    if not isinstance(body.get("text"), str):
        raise Refusal("Field required", place=("body", "text"))
    if not body["text"].strip():
        raise Refusal("Input text is empty.", 400, "input_text_empty")
    return body


def _model(name: Any) -> tuple[int, float]:
    if name not in MODELS:
        raise Refusal(f"A model with model ID {name} does not exist.", 400, "model_not_found")
    return MODELS[name]


def _settings(settings: Any) -> float:
    """Return the speed; raises Refusal for unknown settings and values out of range."""
    if not isinstance(settings, dict):
        raise Refusal("Input should be a valid dictionary", place=("body", "voice_settings"))
    for name, value in settings.items():
        if name not in VoiceSettings.model_fields:
            raise Refusal("Extra inputs are not permitted", place=("body", "voice_settings", name))
        low, high = SETTING_RANGES.get(name, (0, 1))
        if isinstance(value, str) or not low <= value <= high:
            raise Refusal(f"{name} must be from {low} to {high}", 400, "invalid_voice_settings")
    return float(settings.get("speed", 1.0))

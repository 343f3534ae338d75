"""POST /v1/speak: names and values of the query out of deepgram-sdk 7.17.0, limits and combinations out of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from deepgram.speak.v1.audio.raw_client import RawAudioClient

from tests.vendors import fern
from tests.vendors.answers import Answer
from tests.vendors.deepgram.errors import Refusal
from tests.vendors.recording import RequestRecord
from tests.vendors.voices import Said, chunked, speech

MAX_CHARS = 2_000
CHUNK_BYTES = 4_096
DEFAULT_MODEL = "aura-asteria-en"
LINEAR_RATES = (24_000, 8_000, 16_000, 32_000, 48_000)
# encoding -> (containers, the first the default; rates that may be asked for; the rate otherwise; Content-Type).
# From Deepgram's page of audio format combinations, 2026-11-23; the content types are third-party.
COMBINATIONS: Mapping[str, tuple[tuple[str, ...], tuple[int, ...], int, str]] = {
    "linear16": (("wav", "none"), LINEAR_RATES, 24_000, "audio/wav"),
    "mulaw": (("wav", "none"), (8_000, 16_000), 8_000, "audio/mulaw"),
    "alaw": (("wav", "none"), (8_000, 16_000), 8_000, "audio/alaw"),
    "mp3": (("",), (), 22_050, "audio/mpeg"),
    "opus": (("ogg",), (), 48_000, "audio/ogg;codecs=opus"),
    "flac": (("",), (48_000, 8_000, 16_000, 22_050, 32_000), 48_000, "audio/flac"),
    "aac": (("",), (), 22_050, "audio/aac"),
}
BIT_RATES = {"mp3": (32_000, 48_000), "opus": (4_000, 650_000), "aac": (4_000, 192_000)}
SPEED_LANGUAGES = ("en", "es")


def speak_answer(record: RequestRecord) -> Answer:
    """Return the spoken text as a stream; raises Refusal."""
    pairs = parse_qsl(record.target.partition("?")[2], keep_blank_values=True, strict_parsing="?" in record.target)
    query = dict(pairs)
    record.model = query.get("model", DEFAULT_MODEL)
    if len(query) != len(pairs):
        raise Refusal("A query parameter stands twice.")
    if fault := fern.query_fault(_rules(), query):
        raise Refusal(fault)
    text = _text(record)
    name, rate_hz, kind = _format(query)
    spoken = speech(Said(text, record.model, name, rate_hz, speed=_speed(query, record.model)))
    headers = (
        ("content-type", kind),
        ("dg-request-id", f"00000000-0000-0000-0000-{record.number:012d}"),
        ("dg-model-name", record.model),
        ("dg-model-uuid", "00000000-0000-0000-0000-000000000001"),
        ("dg-char-count", str(len(text))),
    )
    return Answer(200, headers, chunked(spoken, CHUNK_BYTES), is_streamed=True)


@cache
def _rules() -> Mapping[str, Any]:
    return {name: hint for name, hint in fern.known(RawAudioClient.generate).items() if name != "text"}


def _text(record: RequestRecord) -> str:
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(f"Content type {kind!r} is not supported.", 415)
    try:
        body = json.loads(record.body.decode("utf-8"))
    except ValueError as error:
        raise Refusal("Failed to parse the request body.") from error
    if not isinstance(body, dict) or set(body) != {"text"} or not isinstance(body["text"], str):
        raise Refusal("The body has to be an object with `text` and nothing else.")
    text = body["text"]
    if not text.strip():
        raise Refusal("Input text must not be empty.")
    if len(text) > MAX_CHARS:
        raise Refusal(f"Input text exceeds maximum character limit of {MAX_CHARS}.", 413)
    return text


def _format(query: Mapping[str, str]) -> tuple[str, int, str]:
    """Return the format of tests/vendors/voices.py, the rate and the Content-Type."""
    encoding = query.get("encoding", "mp3")
    containers, rates, rate_hz, kind = COMBINATIONS[encoding]
    container = query.get("container", containers[0])
    if container not in containers:
        raise Refusal(f"Unsupported audio format: container {container!r} with encoding {encoding!r}.")
    if "sample_rate" in query:
        rate_hz = int(float(query["sample_rate"]))
        if rate_hz not in rates:
            raise Refusal(f"Unsupported audio format: sample_rate {rate_hz} with encoding {encoding!r}.")
    if "bit_rate" in query:
        low, high = BIT_RATES.get(encoding, (0, -1))
        if not low <= float(query["bit_rate"]) <= high:
            raise Refusal(f"Unsupported audio format: bit_rate with encoding {encoding!r}.")
    if encoding == "linear16":
        return (
            ("wav", rate_hz, kind) if container == "wav" else ("pcm", rate_hz, f"audio/l16;rate={rate_hz};channels=1")
        )
    return f"{encoding}_wav" if container == "wav" else encoding, rate_hz, kind


def _speed(query: Mapping[str, str], model: str) -> float:
    speed = float(query.get("speed", 1.0))
    if not 0.7 <= speed <= 1.5:
        raise Refusal(f"speed {speed:g} is not in the range 0.7 to 1.5.")
    if "speed" in query and (not model.startswith("aura-2-") or model[-2:] not in SPEED_LANGUAGES):
        raise Refusal(f"speed is not supported by {model}.")
    return speed

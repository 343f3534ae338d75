"""Speech to text: `POST /v1/speech-to-text`, multipart (vendors.md 8, from elevenlabs 2.78.0 on 2026-11-23).

It gives words, the space between them and noises; segments are cut from the words here. Languages are ISO 639-3.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from gateway import json
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import (
    Call,
    Done,
    Event,
    Form,
    Recording,
    Target,
    Transcript,
    Units,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    Word,
)

from .languages import to_bcp47

MAX_ANSWER_BYTES = 134_217_728  # of ten hours with their words
MAX_KEYTERMS, MAX_KEYTERM_CHARS = 100, 50
_SPOKEN = "word"  # the other types are spacing and audio_event


def refusal(call: Call, target: Target) -> str | None:
    """Return why ElevenLabs cannot write this down."""
    recording = call.body
    assert isinstance(recording, Recording)
    return "does not translate" if recording.is_translation else None


def build(call: Call, target: Target) -> UpstreamRequest:
    recording = call.body
    assert isinstance(recording, Recording)
    fields = [
        ("model_id", target.model.name),
        ("timestamps_granularity", "word"),
        ("tag_audio_events", "false"),
        ("diarize", "true" if recording.format == "diarized_json" else "false"),
    ]
    if recording.language is not None:
        fields.append(("language_code", re.split("[-_]", recording.language)[0].lower()))
    if recording.temperature is not None:
        fields.append(("temperature", f"{recording.temperature:g}"))
    terms = [term.strip() for term in re.split(r"[,;\n]", recording.prompt or "")]
    fields += [("keyterms", term[:MAX_KEYTERM_CHARS]) for term in terms if term][:MAX_KEYTERMS]
    files: tuple[tuple[str, Any], ...] = ()
    if recording.url is not None:
        fields.append(("source_url", recording.url))
    else:
        name = f"recording.{recording.container}"
        files = (("file", replace(recording.audio, filename=name, content_type="application/octet-stream")),)
    url = f"{target.provider.base_url}/v1/speech-to-text"
    return UpstreamRequest("POST", url, {"accept": "application/json"}, Form(tuple(fields), files))


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    recording = call.body
    assert isinstance(recording, Recording)
    answer = _object(await read_all(response, MAX_ANSWER_BYTES))
    if not isinstance(answer.get("text"), str):
        raise UpstreamMalformed("the vendor's answer has no 'text'")
    words = tuple(_word(word) for word in answer.get("words") or () if word.get("type", _SPOKEN) == _SPOKEN)
    stated_s = answer.get("audio_duration_secs")
    duration_s = float(stated_s) if isinstance(stated_s, int | float) else recording.duration_s
    language = to_bcp47(answer.get("language_code")) or recording.language
    yield Transcript(answer["text"].strip(), language, duration_s, (), words)
    yield Usage(Units(audio_seconds=duration_s or 0.0), is_estimated=not isinstance(stated_s, int | float))
    yield Done()


def _word(word: dict[str, Any]) -> Word:
    logprob = word.get("logprob")
    return Word(
        text=str(word.get("text", "")),
        start_s=float(word.get("start") or 0.0),
        end_s=float(word.get("end") or word.get("start") or 0.0),
        speaker=word.get("speaker_id"),
        confidence=round(math.exp(min(0.0, logprob)), 6) if isinstance(logprob, int | float) else None,
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UpstreamCut("the vendor's answer is not JSON, or was cut") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed("the vendor's answer is not a JSON object")
    return value

"""POST /v1/speech-to-text: fields of the form out of elevenlabs 2.78.0, the recording really decoded.

`source_url` is never fetched here: what it names is heard as its own address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from elevenlabs.speech_to_text.raw_client import RawSpeechToTextClient

from tests.vendors import fern
from tests.vendors.answers import Answer
from tests.vendors.elevenlabs.errors import JSON_HEADERS, Refusal
from tests.vendors.heard import Heard, HeardWord, listen
from tests.vendors.multipart import MultipartError, Part, parse_multipart
from tests.vendors.recording import RequestRecord
from tests.vendors.recordings import UnreadableAudio

MODELS = ("scribe_v1", "scribe_v2")
QUERY = frozenset({"enable_logging", "token"})
REPEATED = frozenset({"keyterms", "entity_detection", "entity_redaction", "secondary_language_codes"})
MAX_BYTES = 3 * 1024**3
MIN_S = 0.1
LOGPROB = -0.1
LONG_CODES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa"}


def listen_answer(record: RequestRecord) -> Answer:
    """Return the transcript; raises Refusal."""
    parts = _parts(record)
    fields = _fields(parts)
    record.model = fields.get("model_id")
    if record.model not in MODELS:
        raise Refusal(f"'{record.model}' is not a valid model_id.", 400, "invalid_model_id")
    if "num_speakers" in fields and not 1 <= int(fields["num_speakers"]) <= 32:
        raise Refusal("num_speakers must be from 1 to 32", place=("body", "num_speakers"))
    if "temperature" in fields and not 0 <= float(fields["temperature"]) <= 2:
        raise Refusal("temperature must be from 0 to 2", place=("body", "temperature"))
    heard = _heard([part for part in parts if part.name == "file"], fields)
    language = fields.get("language_code", "eng")
    body = {
        "language_code": LONG_CODES.get(language, language),
        "language_probability": 0.99,
        "text": heard.text,
        "words": _words(heard, is_diarized=fields.get("diarize") == "true"),
        "audio_duration_secs": heard.duration_s,
        "transcription_id": f"tr{record.number:08d}",
    }
    return Answer(200, JSON_HEADERS, (json.dumps(body).encode(),))


@cache
def _rules() -> Mapping[str, Any]:
    return {name: hint for name, hint in fern.known(RawSpeechToTextClient.convert).items() if name not in QUERY}


def _parts(record: RequestRecord) -> tuple[Part, ...]:
    if "?" in record.target:
        raise Refusal("Extra inputs are not permitted", place=("query",))
    try:
        return parse_multipart(record.header("content-type") or "", record.body)
    except MultipartError as error:
        raise Refusal(f"There was an error parsing the body: {error}", 400) from error


def _fields(parts: tuple[Part, ...]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in parts:
        if part.name not in _rules():
            raise Refusal("Extra inputs are not permitted", place=("body", part.name))
        if part.name == "file":
            continue
        text = part.content.decode("utf-8")
        if part.name in fields and part.name not in REPEATED:
            raise Refusal("Input should be given once", place=("body", part.name))
        if fault := fern.query_fault(_rules(), {part.name: text}):
            raise Refusal(fault, place=("body", part.name))
        fields[part.name] = text
    return fields


def _heard(files: list[Part], fields: Mapping[str, str]) -> Heard:
    sources = len(files) + ("source_url" in fields) + ("cloud_storage_url" in fields)
    if sources != 1:
        raise Refusal("Exactly one of file, source_url and cloud_storage_url has to be given.", 400, "invalid_request")
    if not files:
        return Heard("mp3", "mp3float", 1.0, 24_000, 1, (HeardWord(fields["source_url"], 0.0, 1.0, 0),))
    if files[0].filename is None:
        raise Refusal("Expected UploadFile", place=("body", "file"))
    if len(files[0].content) > MAX_BYTES:
        raise Refusal("File is too large.", 413, "file_too_large")
    try:
        heard = listen(files[0].content, "elevenlabs")
    except UnreadableAudio as error:
        raise Refusal(f"File is corrupted: {error}", 400, "invalid_content") from error
    if heard.duration_s < MIN_S:
        raise Refusal("Audio is too short.", 400, "audio_too_short")
    return heard


def _words(heard: Heard, *, is_diarized: bool) -> list[dict[str, Any]]:
    """Return the words with the spaces between them."""
    found: list[dict[str, Any]] = []
    for word in heard.words:
        speaker = {"speaker_id": f"speaker_{word.turn % 2}"} if is_diarized else {}
        if found:
            found.append({"text": " ", "start": word.start_s, "end": word.start_s, "type": "spacing", **speaker})
        found.append({"text": word.text, "start": word.start_s, "end": word.end_s, "type": "word", **speaker})
    return [entry | {"logprob": LOGPROB} for entry in found]

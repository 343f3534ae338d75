"""ElevenLabs' speech to text: `POST /v1/speech-to-text`, multipart. Wire format: vendors.md 8, elevenlabs 2.78.0.

The answer's `logprob` and `language_probability` are required by its clients. Where the provider says nothing of how
sure it is, `logprob` is 0; `language_probability` is 1 for a language that the client named, else 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway import json
from gateway.audio.languages import iso_639_3
from gateway.audio.probe import Facts, Unreadable, probe
from gateway.config.names import unknown
from gateway.dialects.elevenlabs_errors import ElevenLabsErrors
from gateway.dialects.headerless import recording_of
from gateway.dialects.heard import heard
from gateway.dialects.native import JSON
from gateway.dialects.recording import read_audio, read_temperature, read_values
from gateway.errors import InvalidRequest
from gateway.types import Ask, Call, Event, Inbound, Operation, Recording, Rendered, Upload, Word

FILE, URL, ADDRESS = "file", "url", "source_url"
GRANULARITY = "timestamps_granularity"
RAW_FORMAT, RAW_RATE_HZ = "pcm_s16le_16", 16_000

_HINTS = ("secondary_language_codes", "numbers_format", "num_speakers", "diarization_threshold", "seed")
_SWITCHES = ("tag_audio_events", "no_verbatim", "use_speaker_library", "detect_speaker_roles")
# What the answer would have to hold, or do, and cannot.
_REFUSED = (
    *("transcript_edit", "cloud_storage_url", "webhook", "webhook_id", "webhook_metadata", "use_multi_channel"),
    *("multichannel_output_style", "entity_detection", "entity_redaction", "entity_redaction_mode"),
    "additional_formats",
)
_PLAIN = ("model_id", "language_code", "diarize", GRANULARITY, "file_format", ADDRESS, "temperature", "keyterms")
_FIELDS = (*_PLAIN, *_HINTS, *_SWITCHES, *_REFUSED)
_NOTHING = ("", "null", "false", "[]", "{}", "none")


class ElevenLabsStt(ElevenLabsErrors):
    name = "elevenlabs.stt"
    operation: Operation = "transcription"
    takes_form = True
    own_fields = frozenset({GRANULARITY})
    address_field = ADDRESS

    def decode(self, inbound: Inbound) -> Ask:
        fields, values = read_values(inbound)
        _check(values)
        if ADDRESS in values:
            values[URL] = values.pop(ADDRESS)
        given = {name: texts[-1] for name, texts in values.items() if texts[-1] != "null"}
        upload = _raw(inbound) if given.get("file_format") == RAW_FORMAT else None
        if upload is None:
            audio, url, facts = read_audio(inbound, values, (FILE,))
        else:
            audio, url, facts = upload, None, _probed(upload)
        recording = Recording(
            audio=audio,
            container=facts.container,
            duration_s=facts.duration_s,
            language=given.get("language_code") or None,
            prompt=", ".join(values.get("keyterms", ())) or None,
            format="diarized_json" if given.get("diarize", "").lower() == "true" else "json",
            temperature=_within_others(read_temperature(given.get("temperature") or None, 2)),
            sound=facts.sound,
            url=url,
            fields=fields,
            extra=_extra(given),
        )
        if not given.get("model_id"):
            raise InvalidRequest("'model_id' is required", param="model_id")
        return Ask(given["model_id"], recording, wish="model_id")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Recording)
        transcript, _ = await heard(events)
        language = transcript.language or call.body.language
        has_words = call.body.extra[GRANULARITY] != "none"
        answer = {
            "language_code": iso_639_3(language) or language or "und",
            "language_probability": 1.0 if call.body.language else 0.0,
            "text": transcript.text,
            "words": list(_words(transcript.words)) if has_words else [],
            "transcription_id": call.id,
            "audio_duration_secs": transcript.duration_s or call.body.duration_s,
        }
        return Rendered(JSON, json.dumps(answer), headers={"request-id": call.id})


def _check(values: Mapping[str, list[str]]) -> None:
    for name, texts in values.items():
        if name == FILE:
            raise InvalidRequest("'file' must be an uploaded file, with a filename; it is a text field", param=FILE)
        if name not in _FIELDS:
            raise InvalidRequest(
                f"{name[:60]!r} is not a field of this endpoint{unknown(name[:60], _FIELDS)}", param=name[:60]
            )
        if name in _REFUSED and any(text.lower() not in _NOTHING for text in texts):
            raise InvalidRequest(f"'{name}' is not to be had here; leave it out", param=name)
    if values.get(GRANULARITY, ["word"])[-1] not in ("none", "word"):
        raise InvalidRequest(
            f"'{GRANULARITY}' must be word or none: the times of characters come from ElevenLabs alone",
            param=GRANULARITY,
        )


def _extra(given: Mapping[str, str]) -> dict[str, Any]:
    extra: dict[str, Any] = {name: given[name] for name in _HINTS if given.get(name)}
    extra |= {name: given[name] for name in _SWITCHES if given.get(name, "").lower() == "true"}
    return extra | {GRANULARITY: given.get(GRANULARITY, "word")}


def _raw(inbound: Inbound) -> Upload | None:
    """Return samples that came without a header as a WAV. Blocks."""
    files = inbound.form.files if inbound.form is not None else ()
    found = next((file for name, file in files if name == FILE), None)
    return None if found is None else recording_of(found.read(), None, RAW_RATE_HZ)


def _probed(upload: Upload) -> Facts:
    try:
        return probe(upload.file)
    except Unreadable as error:
        raise InvalidRequest(f"'{FILE}' {error}", param=FILE) from error


def _words(words: tuple[Word, ...]) -> list[dict[str, Any]]:
    """Return the words with what is between them, as ElevenLabs has it."""
    found: list[dict[str, Any]] = []
    for number, word in enumerate(words):
        if number:
            last = words[number - 1]
            found.append(_item(" ", last.end_s, word.start_s, "spacing", last))
        found.append(_item(word.text.strip(), word.start_s, word.end_s, "word", word))
    return found


def _item(text: str, start_s: float, end_s: float, kind: str, word: Word) -> dict[str, Any]:
    sure = word.confidence
    logprob = math.log(sure) if kind == "word" and sure is not None and 0 < sure <= 1 else 0.0
    item = {"text": text, "start": start_s, "end": end_s, "type": kind, "logprob": logprob}
    if word.speaker is None:
        return item
    plain = re.fullmatch(r"speaker_\d+", word.speaker)
    return item | {"speaker_id": word.speaker if plain else f"speaker_{word.speaker}"}


def _within_others(temperature: float | None) -> float | None:
    """Nobody else goes beyond 1."""
    return None if temperature is None else min(temperature, 1.0)

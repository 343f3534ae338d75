"""Deepgram's speech to text: `POST /v1/listen?model=…`. Wire format: vendors.md 7, deepgram-sdk 7.17.0, 2026-11-23.

All options are in the query; the recording is the body, or `{"url"}` where the route takes addresses. What an answer
would have to hold and nobody else gives (topics, summaries, redaction) is refused; what only helps to hear is left out.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.audio.probe import Facts, Unreadable, probe
from gateway.dialects.deepgram_answer import PARAGRAPHS, SPEAKERS, UTTERANCES, answer
from gateway.dialects.deepgram_errors import DeepgramErrors
from gateway.dialects.deepgram_query import Query
from gateway.dialects.headerless import ENCODINGS, MAX_CHANNELS, MAX_RATE_HZ, recording_of
from gateway.dialects.heard import heard
from gateway.dialects.native import JSON, read_fields
from gateway.dialects.recording import read_audio
from gateway.errors import InvalidRequest
from gateway.types import (
    Ask,
    Call,
    Event,
    Inbound,
    Operation,
    Recording,
    RecordingInput,
    Rendered,
    Upload,
)

DEFAULT_LANGUAGE = "en"  # Deepgram's own, where nothing is said
MULTILINGUAL = "multi"

_PLAIN = ("model", "language", "detect_language", "punctuate", "smart_format", "paragraphs", "utterances", "diarize")
_SOUND = ("encoding", "sample_rate", "channels")
_TERMS = ("keyterm", "keywords")
_HINTS = (
    *("numerals", "measurements", "filler_words", "dictation", "language_hint", "utt_split", "tag", "version"),
    "diarize_version",
)
_REFUSED = (
    *("sentiment", "summarize", "topics", "intents", "detect_entities", "redact", "replace", "search", "multichannel"),
    *("callback", "callback_method", "custom_topic", "custom_topic_mode", "custom_intent", "custom_intent_mode"),
    *("profanity_filter", "extra", "mip_opt_out", "alternatives"),
)
_QUERY = (*_PLAIN, "diarize_model", *_SOUND, *_TERMS, *_HINTS, *_REFUSED)
_WRITTEN_OTHERWISE = ("amr-nb", "amr-wb", "speex", "g729")  # which nothing here can put into a container


class DeepgramListen(DeepgramErrors):
    name = "deepgram.listen"
    operation: Operation = "transcription"
    takes_form = True  # never, by its `inputs`: its body is a recording, or an address
    inputs: frozenset[RecordingInput] = frozenset({"raw", "url"})
    own_fields = frozenset({SPEAKERS, UTTERANCES, PARAGRAPHS})

    def decode(self, inbound: Inbound) -> Ask:
        if inbound.form is not None:
            raise InvalidRequest("the recording must be the body itself, not a file of a form")
        query = Query.read(inbound.head, _QUERY)
        for name in _REFUSED:
            if query.is_asked(name):
                raise InvalidRequest(f"'{name}' is not to be had here; leave it out", param=name)
        audio, url, facts = _recording(inbound, query)
        extra: dict[str, Any] = {name: query.all(name) for name in _HINTS if query.is_asked(name)}
        extra |= {name: query.boolean(name) for name in (UTTERANCES, PARAGRAPHS)}
        for name in ("punctuate", "smart_format"):  # nobody writes without
            query.boolean(name)
        extra[SPEAKERS] = query.boolean("diarize") or query.text("diarize_model") is not None
        recording = Recording(
            audio=audio,
            container=facts.container,
            duration_s=facts.duration_s,
            language=_language(query),
            prompt=", ".join(_terms(query)) or None,
            format="diarized_json" if extra[SPEAKERS] else "json",
            sound=facts.sound,
            url=url,
            extra=extra,
        )
        return Ask(query.text("model") or "", recording, wish="model")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Recording)
        transcript, units = await heard(events)
        seconds = transcript.duration_s or units.audio_seconds or call.body.duration_s or 0.0
        digest = await asyncio.to_thread(_sha256, call.body.audio) if call.body.url is None else ""
        made = answer(call, transcript, seconds, digest)
        return Rendered(JSON, json.dumps(made), headers={"dg-request-id": call.id})


def _recording(inbound: Inbound, query: Query) -> tuple[Upload, str | None, Facts]:
    """Return the recording with what it is, or an empty one and its address. Blocks."""
    encoding = query.text("encoding")
    if inbound.upload is None:
        fields = read_fields(inbound.body, ("url",))
        return read_audio(inbound, {"url": [fields.required_string("url")]}, ("body",))
    if encoding is None or encoding not in ENCODINGS:
        if encoding in _WRITTEN_OTHERWISE:
            raise InvalidRequest(f"'encoding' {encoding} is not read here", param="encoding")
        return read_audio(inbound, {}, ("body",))
    rate_hz = query.number("sample_rate", 8_000, MAX_RATE_HZ)
    channels = query.number("channels", 1, MAX_CHANNELS)
    if rate_hz is None:
        raise InvalidRequest(f"'sample_rate' is required with encoding={encoding}", param="sample_rate")
    upload = recording_of(inbound.upload.read(), ENCODINGS[encoding], int(rate_hz), int(channels or 1))
    try:
        return upload, None, probe(upload.file)
    except Unreadable as error:
        raise InvalidRequest(f"'body' {error}", param="body") from error


def _sha256(audio: Upload) -> str:
    audio.file.seek(0)
    return hashlib.file_digest(audio.file, "sha256").hexdigest()  # type: ignore[arg-type]  # a spooled file will do


def _language(query: Query) -> str | None:
    language = query.text("language")
    if query.is_asked("detect_language") or language == MULTILINGUAL:
        return None
    return language or DEFAULT_LANGUAGE


def _terms(query: Query) -> list[str]:
    """Return what is likely to be said; `keywords` may have a weight behind a colon, which nobody else knows."""
    return [*query.all("keyterm"), *(word.partition(":")[0] for word in query.all("keywords"))]

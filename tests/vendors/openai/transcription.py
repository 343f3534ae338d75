"""POST /audio/transcriptions and /audio/translations. Wire format: vendors.md 1.5 (openai 3.54.0, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.vendors.answers import Answer
from tests.vendors.openai.errors import JSON_HEADERS, Refusal
from tests.vendors.openai.models import ModelRule, model_for
from tests.vendors.openai.requests import check_count
from tests.vendors.openai.transcript import (
    Transcript,
    diarized_segments,
    duration_usage,
    plain_text,
    srt,
    token_usage,
    transcribe,
    verbose_json,
    vtt,
)
from tests.vendors.openai.transcription_form import AudioForm, read_transcription, read_translation
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact, data_event

TEXT_HEADERS = (("content-type", "text/plain; charset=utf-8"),)
SSE_HEADERS = (("content-type", "text/event-stream; charset=utf-8"),)
UNCHUNKED_LIMIT_S = 30.0  # above, gpt-4o-transcribe-diarize wants a chunking_strategy
DIARIZE = "gpt-4o-transcribe-diarize"
# field -> models that know it; others refuse it
ONLY_FOR = {
    "languages": frozenset({"gpt-transcribe"}),
    "keywords": frozenset({"gpt-transcribe"}),
    "known_speaker_names": frozenset({DIARIZE}),
    "known_speaker_references": frozenset({DIARIZE}),
    "include": frozenset({"gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15"}),
    "timestamp_granularities": frozenset({"whisper-1"}),
}


def transcription_answer(record: RequestRecord, identity: str) -> Answer:
    """Return the answer to a transcription request; raises Refusal."""
    form = read_transcription(record)
    rule = model_for("transcription", form.fields["model"])
    _check_limits(form, rule)
    recording = form.recording
    language = form.fields.get("language") or "en"
    transcript = transcribe(identity, rule.id, recording.content, recording.duration_s, language)
    if form.fields.get("stream") and rule.can_stream:
        return _streamed(form, rule, transcript)
    return _rendered(form, rule, transcript)


def translation_answer(record: RequestRecord, identity: str) -> Answer:
    """Return the answer to a translation request, which only whisper-1 serves; raises Refusal."""
    form = read_translation(record)
    rule = model_for("transcription", form.fields["model"])
    if rule.id != "whisper-1":
        raise Refusal(f"The model '{rule.id}' is not supported with this endpoint.", "model", "invalid_model")
    recording = form.recording
    transcript = transcribe(identity, rule.id, recording.content, recording.duration_s, "en")
    match form.fields.get("response_format", "json"):
        case "json":
            return _json({"text": transcript.text})
        case "verbose_json":
            return _json(verbose_json(transcript, "translate", ("segment",)))
        case name:
            return _plain(name, transcript)


def transcription_usage(fields: Mapping[str, Any], rule: ModelRule, transcript: Transcript) -> dict[str, Any]:
    """Return usage in the unit the model is billed in."""
    if rule.is_billed_in_tokens:
        return token_usage(transcript, fields.get("prompt") or "")
    return duration_usage(transcript)


def _rendered(form: AudioForm, rule: ModelRule, transcript: Transcript) -> Answer:
    fields = form.fields
    usage = transcription_usage(fields, rule, transcript)
    match fields.get("response_format", "json"):
        case "json":
            languages = {"languages": [{"code": transcript.language}]} if rule.id == "gpt-transcribe" else {}
            return _json({"text": transcript.text, **languages, **_logprobs(fields, transcript), "usage": usage})
        case "verbose_json":
            granularities = fields.get("timestamp_granularities") or ["segment"]
            return _json({**verbose_json(transcript, "transcribe", granularities), "usage": usage})
        case "diarized_json":
            segments = diarized_segments(transcript, _speakers(fields))
            body = {"task": "transcribe", "duration": transcript.duration_s, "text": transcript.text}
            return _json({**body, "segments": segments, "usage": usage})
        case name:
            return _plain(name, transcript)


def _plain(name: str, transcript: Transcript) -> Answer:
    text = {"srt": srt, "vtt": vtt, "text": plain_text}[name](transcript)
    return Answer(200, TEXT_HEADERS, (text.encode(),))


def _json(body: Mapping[str, Any]) -> Answer:
    return Answer(200, JSON_HEADERS, (compact(body),))


def _streamed(form: AudioForm, rule: ModelRule, transcript: Transcript) -> Answer:
    """Return deltas, the segments when diarizing, and `transcript.text.done`; there is no [DONE] in the SDK's types."""
    fields = form.fields
    is_diarized = fields.get("response_format") == "diarized_json"
    events: list[dict[str, Any]] = []
    for segment, words in zip(diarized_segments(transcript, _speakers(fields)), transcript.segments(), strict=True):
        for word in words:
            delta = word.text if word is transcript.words[0] else f" {word.text}"
            mark = {"segment_id": segment["id"]} if is_diarized else {}
            events.append({"type": "transcript.text.delta", "delta": delta, **mark})
        if is_diarized:
            events.append(segment)
    done: dict[str, Any] = {"type": "transcript.text.done", "text": transcript.text, **_logprobs(fields, transcript)}
    if rule.is_billed_in_tokens:  # the SDK's done event has no usage in seconds
        done["usage"] = transcription_usage(fields, rule, transcript)
    return Answer(200, SSE_HEADERS, tuple(map(data_event, events)), data_event(done), is_streamed=True)


def _logprobs(fields: Mapping[str, Any], transcript: Transcript) -> dict[str, Any]:
    if "logprobs" not in (fields.get("include") or ()):
        return {}
    entries = [{"token": w.text, "logprob": -0.1, "bytes": list(w.text.encode())} for w in transcript.words]
    return {"logprobs": entries}


def _speakers(fields: Mapping[str, Any]) -> list[str]:
    return fields.get("known_speaker_names") or ["A", "B"]


def _check_limits(form: AudioForm, rule: ModelRule) -> None:
    fields = form.fields
    wanted = fields.get("response_format", "json")
    if wanted not in rule.transcript_formats:
        supported = ", ".join(f"'{name}'" for name in rule.transcript_formats)
        text = f"response_format '{wanted}' is not compatible with model '{rule.id}'. Use one of {supported} instead."
        raise Refusal(text, "response_format", "unsupported_value")
    for name, models in ONLY_FOR.items():
        if fields.get(name) is not None and rule.id not in models:
            raise Refusal(f"'{name}' is not supported with model '{rule.id}'.", name, "unsupported_parameter")
    if fields.get("timestamp_granularities") and wanted != "verbose_json":
        text = "Timestamp granularities are only supported with response_format=verbose_json"
        raise Refusal(text, "timestamp_granularities[]", "invalid_value")
    if fields.get("include") and wanted != "json":
        raise Refusal("logprobs are only supported with response_format=json", "include[]", "invalid_value")
    if rule.id == DIARIZE:
        _check_diarization(form)


def _check_diarization(form: AudioForm) -> None:
    fields = form.fields
    if fields.get("prompt") is not None:
        raise Refusal(f"'prompt' is not supported with model '{DIARIZE}'.", "prompt", "unsupported_parameter")
    if form.recording.duration_s > UNCHUNKED_LIMIT_S and fields.get("chunking_strategy") is None:
        text = "chunking_strategy is required for diarization models with inputs longer than 30 seconds"
        raise Refusal(text, "chunking_strategy", "missing_required_parameter")
    names, references = fields.get("known_speaker_names") or [], fields.get("known_speaker_references") or []
    check_count("known_speaker_names", len(names), 0, 4)
    if len(names) != len(references):
        text = "known_speaker_names and known_speaker_references must have the same length"
        raise Refusal(text, "known_speaker_references", "invalid_value")
    if any(not reference.startswith("data:audio/") for reference in references):
        raise Refusal("known_speaker_references must be data URLs", "known_speaker_references", "invalid_value")

"""Transcription as OpenAI takes and gives it (vendors.md 1.5, 2026-11-23).

A client of the same dialect has its form passed on as it is, where the model can answer in the format asked for.
Otherwise the richest format the model has is asked for, and the gateway renders what the client wants.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from gateway import sse
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import (
    Call,
    Done,
    Event,
    Form,
    Recording,
    Segment,
    Target,
    Transcript,
    Units,
    UpstreamResponse,
    Usage,
    Verbatim,
    Word,
)

from .errors import parse_object
from .reading import bookkeeping, count, number, objects, text, word

MAX_ANSWER_BYTES = 33_554_432
_SUFFIXES = {"mp3": "mp3", "mp4": "m4a", "flac": "flac", "ogg": "ogg", "wav": "wav", "webm": "webm"}
_TIMED = frozenset({"srt", "vtt", "verbose_json"})


def refusal(call: Call, target: Target) -> str | None:
    """A model that answers without times cannot give subtitles; one that knows no speakers cannot tell them apart."""
    assert isinstance(call.body, Recording)
    formats = _formats(target)
    if call.body.is_translation:
        return None if target.model.options.get("translates") else "does not translate"
    if formats is None or call.body.format in formats or call.body.format in ("json", "text"):
        return None
    if call.body.format in _TIMED and "verbose_json" in formats:
        return None
    return f"cannot answer in the format {call.body.format}; it has {', '.join(formats)}"


def build(call: Call, target: Target) -> tuple[str, Form]:
    """Return the path and the form to post there."""
    assert isinstance(call.body, Recording)
    recording = call.body
    name = "file." + _SUFFIXES.get(recording.container, recording.container)
    # The vendor goes by the name's suffix, so the name says what the bytes are.
    upload = replace(recording.audio, filename=name, content_type="application/octet-stream")
    path = "/audio/translations" if recording.is_translation else "/audio/transcriptions"
    if recording.is_translation:
        return path, Form(_translation_fields(recording, target), (("file", upload),))
    if _is_untouched(call, target):
        fields = tuple((key, value) for key, value in recording.fields if key != "model")
        return path, Form((("model", target.model.name), *fields), (("file", upload),))
    formats = _formats(target) or ("verbose_json",)
    asked = next(name for name in ("diarized_json", "verbose_json", "json", *formats) if name in formats)
    fields = (("model", target.model.name), ("response_format", asked))
    if asked == "verbose_json":
        fields += (("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment"))
    if recording.language is not None:
        fields += (("language", recording.language),)
    if asked == "diarized_json":
        fields += (("chunking_strategy", "auto"),)  # without which it takes 30 s at most; it knows no prompt
    elif recording.prompt is not None:
        fields += (("prompt", recording.prompt),)
    if recording.temperature is not None:
        fields += (("temperature", f"{recording.temperature:g}"),)
    return path, Form(fields, (("file", upload),))


def _translation_fields(recording: Recording, target: Target) -> tuple[tuple[str, str], ...]:
    """The endpoint knows no language, no words and no streams."""
    fields = [("model", target.model.name), ("response_format", "verbose_json")]
    if recording.prompt is not None:
        fields.append(("prompt", recording.prompt))
    if recording.temperature is not None:
        fields.append(("temperature", f"{recording.temperature:g}"))
    return tuple(fields)


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    assert isinstance(call.body, Recording)
    assert call.target is not None
    recording = call.body
    kind = response.headers.get("content-type", "application/json")
    if kind.startswith("text/event-stream"):
        async for event in _stream(call, response, kind):
            yield event
        return
    body = await read_all(response, MAX_ANSWER_BYTES)
    is_object = kind.startswith("application/json")
    answer = parse_object(body) if is_object else {"text": body.decode(errors="replace")}
    if is_object and not isinstance(answer.get("text"), str):
        raise UpstreamMalformed("the vendor's answer has no 'text'")
    if _is_untouched(call, call.target):
        yield Verbatim(body, content_type=kind)
    else:
        yield _transcript(answer, recording)
    yield _usage(answer, recording)
    yield Done()


async def _stream(call: Call, response: UpstreamResponse, kind: str) -> AsyncIterator[Event]:
    assert isinstance(call.body, Recording)
    async for event in sse.read(response.chunks):
        fields = parse_object(event.data) if event.data not in (b"", b"[DONE]") else {}
        if fields.get("type") == "transcript.text.done":
            yield Verbatim(event.raw, content_type=kind)
            yield _usage(fields, call.body)
            yield Done()
            return
        yield Verbatim(event.raw, is_content=fields.get("type") == "transcript.text.delta", content_type=kind)
    raise UpstreamCut("the vendor's stream ended before its event transcript.text.done")


def _is_untouched(call: Call, target: Target) -> bool:
    assert isinstance(call.body, Recording)
    formats = _formats(target)
    return call.is_verbatim and (formats is None or call.body.format in formats)


def _formats(target: Target) -> tuple[str, ...] | None:
    formats = target.model.options.get("transcript_formats")
    return tuple(formats) if formats else None


def _transcript(answer: dict[str, Any], recording: Recording) -> Transcript:
    segments = tuple(
        Segment(
            text(item.get("text"), "segments"),
            number(item.get("start")),
            number(item.get("end")),
            word(item.get("speaker")),
        )
        for item in objects(answer.get("segments"), "segments")
    )
    words = tuple(
        Word(text(item.get("word"), "words"), number(item.get("start")), number(item.get("end")))
        for item in objects(answer.get("words"), "words")
    )
    duration_s = number(answer.get("duration")) or recording.duration_s
    return Transcript(answer["text"], word(answer.get("language")), duration_s, segments, words)


def _usage(answer: dict[str, Any], recording: Recording) -> Usage:
    """Tokens or seconds, as the model is billed; else the length as probed, which is an estimate."""
    usage = bookkeeping(answer.get("usage"))
    if usage.get("type") == "tokens":
        read = bookkeeping(usage.get("input_token_details"))
        return Usage(
            Units(
                input_tokens=count(usage.get("input_tokens")),
                output_tokens=count(usage.get("output_tokens")),
                input_audio_tokens=count(read.get("audio_tokens")),
            )
        )
    seconds = number(usage.get("seconds")) or number(answer.get("duration"))
    return Usage(Units(audio_seconds=float(seconds or recording.duration_s or 0.0)), is_estimated=not seconds)

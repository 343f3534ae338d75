"""OpenAI transcription and translation, multipart. Wire format: vendors.md 1.5, read 2026-11-23."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, cast

from gateway import json, sse
from gateway.audio.segments import segments_of
from gateway.audio.transcript import diarized_segment, render
from gateway.dialects.heard import heard, held
from gateway.dialects.openai_errors import encode_json_error, encode_sse_error
from gateway.dialects.recording import read_audio, read_temperature, read_values
from gateway.dialects.untouched import untouched
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import (
    Ask,
    Call,
    Event,
    Inbound,
    Operation,
    Recording,
    Rendered,
    TextDelta,
    Transcript,
    TranscriptFormat,
    Units,
    Usage,
    Verbatim,
)

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
GRANULARITIES = ("word", "segment")
_KNOWN = frozenset(
    {"model", "language", "prompt", "response_format", "temperature", "timestamp_granularities", "stream"}
)


class OpenAITranscription:
    name = "openai.transcription"
    operation: Operation = "transcription"
    takes_form = True
    mode_fields = frozenset({"stream"})
    is_translation = False
    formats: tuple[str, ...] = FORMATS

    def decode(self, inbound: Inbound) -> Ask:
        fields, values = read_values(inbound)
        audio, url, facts = read_audio(inbound, values, ("file",))
        stream = _one(values, "stream", ("true", "false")) == "true"
        recording = Recording(
            audio=audio,
            container=facts.container,
            duration_s=facts.duration_s,
            language=_one(values, "language"),
            prompt=_one(values, "prompt"),
            format=cast(TranscriptFormat, _one(values, "response_format", self.formats) or "json"),
            temperature=read_temperature(_one(values, "temperature"), 1),
            granularities=_granularities(values),
            is_translation=self.is_translation,
            sound=facts.sound,
            url=url,
            fields=fields,
            extra={name: tuple(given) for name, given in values.items() if name not in _KNOWN},
        )
        return Ask(_one(values, "model") or "", recording, stream and not self.is_translation)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Recording)
        first = await anext(events, None)
        if isinstance(first, Verbatim):
            body = untouched(first, events)
            content_type = first.content_type or "application/json"
            return Rendered(content_type, body if call.stream else b"".join([chunk async for chunk in body]))
        if call.stream and isinstance(first, TextDelta) and call.body.format != "diarized_json":
            return Rendered("text/event-stream; charset=utf-8", _progress(first, events))
        transcript, units = await heard(events, first)
        if call.stream:
            is_diarized = call.body.format == "diarized_json"
            return Rendered("text/event-stream; charset=utf-8", _stream(transcript, units, is_diarized=is_diarized))
        task: Literal["transcribe", "translate"] = "translate" if self.is_translation else "transcribe"
        content_type, data = render(transcript, call.body.format, call.body.granularities, task=task)
        return Rendered(content_type, data)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)


class OpenAITranslation(OpenAITranscription):
    """`POST /v1/audio/translations`: the same into English, for targets that can, without streams or speakers."""

    name = "openai.translation"
    is_translation = True
    formats = ("json", "text", "srt", "verbose_json", "vtt")


def _one(values: dict[str, list[str]], name: str, choices: tuple[str, ...] = ()) -> str | None:
    given = values.get(name)
    if not given:
        return None
    if len(given) > 1:
        raise InvalidRequest(f"'{name}' is given {len(given)} times; give it once", param=name)
    if choices and given[0] not in choices:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is {given[0][:60]!r}", param=name)
    return given[0]


def _granularities(values: dict[str, list[str]]) -> frozenset[Literal["word", "segment"]]:
    given = values.get("timestamp_granularities", [])
    for value in given:
        if value not in GRANULARITIES:
            raise InvalidRequest(
                f"'timestamp_granularities[]' must be word or segment; it is {value[:60]!r}",
                param="timestamp_granularities",
            )
    return frozenset(cast(list[Literal["word", "segment"]], given))


async def _progress(first: TextDelta, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """Write the text down as it comes, piece by piece of a long recording, and the end."""
    transcript: Transcript | None = None
    units = Units()
    yield _delta(first.text)
    async for event in events:
        if isinstance(event, TextDelta):
            yield _delta(event.text)
        elif isinstance(event, Transcript):
            transcript = event
        elif isinstance(event, Usage):
            units = event.units
    yield _done(held(transcript), units)


async def _stream(transcript: Transcript, units: Units, *, is_diarized: bool) -> AsyncIterator[bytes]:
    """One delta a segment where the segments make up the text, else one delta, and the end."""
    segments = segments_of(transcript, by_speaker=is_diarized)
    pieces = [(f"seg_{number}", segment) for number, segment in enumerate(segments)]
    is_whole = " ".join(segment.text.strip() for segment in segments) == transcript.text
    for number, (name, segment) in enumerate(pieces if is_whole or is_diarized else ()):
        delta = {"type": "transcript.text.delta", "delta": f"{' ' if number else ''}{segment.text.strip()}"}
        yield sse.write(json.dumps(delta | ({"segment_id": name} if is_diarized else {})))
        if is_diarized:
            yield sse.write(json.dumps(diarized_segment(number, segment)))
    if not is_whole and not is_diarized:
        yield _delta(transcript.text)
    yield _done(transcript, units)


def _delta(text: str) -> bytes:
    return sse.write(json.dumps({"type": "transcript.text.delta", "delta": text}))


def _done(transcript: Transcript, units: Units) -> bytes:
    usage = {"type": "duration", "seconds": units.audio_seconds}
    return sse.write(json.dumps({"type": "transcript.text.done", "text": transcript.text, "usage": usage}))

"""OpenAI transcription: `POST /v1/audio/transcriptions`, multipart. Wire format: vendors.md 1.5, 2026-11-23."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, cast

from gateway import json, sse
from gateway.audio.duration import duration_s
from gateway.audio.sniff import sniff
from gateway.audio.transcript import render
from gateway.dialects.openai_errors import encode_json_error, encode_sse_error
from gateway.errors import GatewayError, InvalidRequest, UpstreamCut
from gateway.types import (
    Ask,
    Call,
    Event,
    Form,
    Inbound,
    Operation,
    Recording,
    Rendered,
    Transcript,
    TranscriptFormat,
    Units,
    Upload,
    Usage,
    Verbatim,
)

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
GRANULARITIES = ("word", "segment")
SNIFF_BYTES = 4096  # enough for every container's mark, ID3 tags in front of mp3 included
_KNOWN = frozenset(
    {"model", "language", "prompt", "response_format", "temperature", "timestamp_granularities", "stream"}
)


class OpenAITranscription:
    name = "openai.transcription"
    operation: Operation = "transcription"
    takes_form = True

    def decode(self, inbound: Inbound) -> Ask:
        assert inbound.form is not None
        form = inbound.form
        values = _values(form)
        audio = _audio(form)
        container = sniff(audio.read(SNIFF_BYTES))
        if container is None:
            raise InvalidRequest(
                f"'file' ({audio.filename!r}) is not audio that is known here; send flac, mp3, mp4, ogg, wav or webm",
                param="file",
            )
        stream = _one(values, "stream", ("true", "false")) == "true"
        recording = Recording(
            audio=audio,
            container=container,
            duration_s=duration_s(audio.file),
            language=_one(values, "language"),
            prompt=_one(values, "prompt"),
            format=cast(TranscriptFormat, _one(values, "response_format", FORMATS) or "json"),
            temperature=_temperature(values),
            granularities=_granularities(values),
            fields=form.fields,
            extra={name: tuple(given) for name, given in values.items() if name not in _KNOWN},
        )
        return Ask(_one(values, "model") or "", recording, stream)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Recording)
        first = await anext(events, None)
        if isinstance(first, Verbatim):
            body = _untouched(first, events)
            content_type = first.content_type or "application/json"
            return Rendered(content_type, body if call.stream else b"".join([chunk async for chunk in body]))
        transcript, units = await _gather(first, events)
        if call.stream:
            return Rendered("text/event-stream; charset=utf-8", _stream(transcript, units))
        content_type, data = render(transcript, call.body.format, call.body.granularities)
        return Rendered(content_type, data)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)


def _values(form: Form) -> dict[str, list[str]]:
    """Return the fields by name. Clients send arrays as `name[]`."""
    values: dict[str, list[str]] = {}
    for name, value in form.fields:
        values.setdefault(name.removesuffix("[]"), []).append(value)
    return values


def _audio(form: Form) -> Upload:
    files = [file for name, file in form.files if name == "file"]
    if len(files) != 1:
        raise InvalidRequest(f"'file' must be one uploaded file; there are {len(files)}", param="file")
    if files[0].size_bytes == 0:
        raise InvalidRequest(f"'file' ({files[0].filename!r}) is empty", param="file")
    return files[0]


def _one(values: dict[str, list[str]], name: str, choices: tuple[str, ...] = ()) -> str | None:
    given = values.get(name)
    if not given:
        return None
    if len(given) > 1:
        raise InvalidRequest(f"'{name}' is given {len(given)} times; give it once", param=name)
    if choices and given[0] not in choices:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is {given[0][:60]!r}", param=name)
    return given[0]


def _temperature(values: dict[str, list[str]]) -> float | None:
    text = _one(values, "temperature")
    if text is None:
        return None
    try:
        temperature = float(text)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 1:
        raise InvalidRequest(f"'temperature' must be a number from 0 to 1; it is {text[:60]!r}", param="temperature")
    return temperature


def _granularities(values: dict[str, list[str]]) -> frozenset[Literal["word", "segment"]]:
    given = values.get("timestamp_granularities", [])
    for value in given:
        if value not in GRANULARITIES:
            raise InvalidRequest(
                f"'timestamp_granularities[]' must be word or segment; it is {value[:60]!r}",
                param="timestamp_granularities",
            )
    return frozenset(cast(list[Literal["word", "segment"]], given))


async def _untouched(first: Verbatim, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    yield first.data
    async for event in events:
        if isinstance(event, Verbatim):
            yield event.data


async def _gather(first: Event | None, events: AsyncIterator[Event]) -> tuple[Transcript, Units]:
    transcript = first if isinstance(first, Transcript) else None
    units = Units()
    async for event in events:
        if isinstance(event, Transcript):
            transcript = event
        elif isinstance(event, Usage):
            units = event.units
    if transcript is None:
        raise UpstreamCut("the answer holds no transcript")
    return transcript, units


async def _stream(transcript: Transcript, units: Units) -> AsyncIterator[bytes]:
    """One delta and its end: what is known here is known at once."""
    yield sse.write(json.dumps({"type": "transcript.text.delta", "delta": transcript.text}))
    usage = {"type": "duration", "seconds": units.audio_seconds}
    yield sse.write(json.dumps({"type": "transcript.text.done", "text": transcript.text, "usage": usage}))

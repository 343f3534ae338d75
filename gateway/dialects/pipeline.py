"""A pipeline as an endpoint: a recording or a text goes in, what its last step gives comes out.

   file or audio (multipart/form-data), or {"input": …} where the first step takes text; the fields that the route
   declares; response_format?, stream_format? (audio or sse)
-> the audio, while it is made; {success, text, transcript?, …} where the last step writes
   sse: pipeline.transcript {text}, pipeline.text.delta {delta}, pipeline.audio.delta {audio, base64}, pipeline.done

Every route has a dialect of its own, bound to its pipeline.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from gateway import json, sse
from gateway.config.model import Pipeline, Route
from gateway.config.names import unknown
from gateway.dialects.fields import parse_object
from gateway.dialects.native import JSON, Native, answer, cost_usd, encode_error, one_of, spoken_text, usage
from gateway.dialects.recording import read_audio, read_values
from gateway.errors import GatewayError, InvalidRequest, UpstreamCut
from gateway.types import (
    Ask,
    AudioChunk,
    Call,
    Chat,
    Event,
    Inbound,
    Message,
    Operation,
    Recording,
    Rendered,
    Text,
    TextDelta,
    Transcript,
    Units,
    Usage,
)

SSE = "text/event-stream; charset=utf-8"
FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
FILE_FIELDS = ("file", "audio")
OURS = ("response_format", "stream_format")
MAX_INPUT_CHARS = 1_000_000  # as openai.speech
MAX_FIELD_CHARS = 2_000  # of one of the route's fields


class PipelineDialect(Native):
    name = "pipeline"
    operation: Operation = "pipeline"
    takes_form = True

    def __init__(self, pipeline: Pipeline | None = None) -> None:
        self._pipeline = pipeline
        self.takes_form = pipeline is None or pipeline.steps[0].operation == "transcription"

    def bind(self, route: Route) -> PipelineDialect:
        """Return the dialect of one route."""
        return PipelineDialect(route.pipeline)

    def decode(self, inbound: Inbound) -> Ask:
        pipeline = self._pipeline
        if pipeline is None:
            raise RuntimeError("a pipeline's dialect is bound to its route first")
        body: Recording | Chat
        if self.takes_form:
            fields, values = read_values(inbound)
            audio, url, facts = read_audio(inbound, values, FILE_FIELDS)
            given = {name: _one(name, texts) for name, texts in values.items()}
            _check_files(inbound)
            body = Recording(audio, facts.container, facts.duration_s, sound=facts.sound, url=url, fields=fields)
        else:
            sent = parse_object(inbound.body)
            text = spoken_text(sent, "input", MAX_INPUT_CHARS)
            given = {name: sent.string(name) or "" for name in sent.raw if name != "input"}
            body = Chat((Message("user", (Text(text),)),))
        return Ask("", body, stream=True, values=_values(pipeline, given))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        if call.values["stream_format"] == "sse":
            first = await anext(events, None)  # what fails before it is a clean status
            if first is None:
                raise UpstreamCut("the pipeline came to no answer")
            return Rendered(SSE, _sse(call, first, events))
        pipeline = self._pipeline
        if pipeline is None or pipeline.steps[-1].operation != "speech":
            return Rendered(JSON, await _written(call, events))
        async for event in events:
            if isinstance(event, AudioChunk) and event.format is not None:
                return Rendered(event.format.content_type, _audio(event, events))
        raise UpstreamCut("the pipeline's answer holds no audio")

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        body = encode_error(error, request_id)
        return sse.write(body, "error") if started else body


def _values(pipeline: Pipeline, given: Mapping[str, str]) -> dict[str, Any]:
    """Return a text for every field, and how the answer is sent. Raises InvalidRequest."""
    known = (*pipeline.fields, *OURS)
    for name, text in given.items():
        if name not in known:
            raise InvalidRequest(
                f"{name[:60]!r} is not a field of this endpoint{unknown(name[:60], known)}", param=name[:60]
            )
        if len(text) > MAX_FIELD_CHARS:
            raise InvalidRequest(
                f"'{name}' must have at most {MAX_FIELD_CHARS} characters; it has {len(text)}", param=name
            )
    values: dict[str, Any] = {}
    for name, default in pipeline.fields.items():
        values[name] = given.get(name) or default
        if values[name] is None:
            raise InvalidRequest(f"'{name}' is required", param=name)
    last = pipeline.steps[-1]
    wanted = one_of(given.get("response_format"), "response_format", FORMATS)
    if wanted is not None and last.operation != "speech":
        raise InvalidRequest("'response_format' is of audio, and this endpoint gives text", param="response_format")
    values["response_format"] = wanted or last.settings.get("format", "mp3")
    values["stream_format"] = one_of(given.get("stream_format"), "stream_format", ("audio", "sse")) or "audio"
    return values


def _one(name: str, texts: Sequence[str]) -> str:
    if name in FILE_FIELDS:
        raise InvalidRequest(f"'{name}' must be an uploaded file, with a filename; it is a text field", param=name)
    if len(texts) > 1:
        raise InvalidRequest(f"'{name}' is given more than once", param=name)
    return texts[0]


def _check_files(inbound: Inbound) -> None:
    for name, _ in inbound.form.files if inbound.form is not None else ():
        if name not in FILE_FIELDS:
            raise InvalidRequest(
                f"{name[:60]!r} is not a file of this endpoint; send the audio as 'file'", param="file"
            )


async def _audio(first: AudioChunk, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    yield first.data
    async for event in events:
        if isinstance(event, AudioChunk):
            yield event.data


async def _written(call: Call, events: AsyncIterator[Event]) -> bytes:
    text: list[str] = []
    heard: str | None = None
    units = Units()
    async for event in events:
        match event:
            case TextDelta(text=piece):
                text.append(piece)
            case Transcript(text=piece):
                heard = piece
            case Usage():
                units = event.units
    said = {"text": "".join(text), "transcript": heard, "usage": usage(units)}
    return answer(call, {name: value for name, value in said.items() if value is not None}, {})


async def _sse(call: Call, first: Event, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    units = Units()
    yield _told(first)
    async for event in events:
        if isinstance(event, Usage):
            units = event.units
        elif told := _told(event):
            yield told
    done = {
        "usage": usage(units) | {"characters": units.characters, "audio_seconds": units.audio_seconds},
        "cost_usd": cost_usd(call.receipt),
    }
    yield sse.write(json.dumps({"type": "pipeline.done"} | done))


def _told(event: Event) -> bytes:
    match event:
        case Transcript(text=text):
            return sse.write(json.dumps({"type": "pipeline.transcript", "text": text}))
        case TextDelta(text=text):
            return sse.write(json.dumps({"type": "pipeline.text.delta", "delta": text}))
        case AudioChunk(data=data):
            audio = base64.b64encode(data).decode()
            return sse.write(json.dumps({"type": "pipeline.audio.delta", "audio": audio}))
        case _:
            return b""

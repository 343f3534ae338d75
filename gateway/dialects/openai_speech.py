"""OpenAI speech: `POST /v1/audio/speech`. Wire format: vendors.md 1.4, 2026-11-23."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

from gateway import json, sse
from gateway.dialects.fields import Fields, parse_object
from gateway.dialects.openai_errors import encode_json_error, encode_sse_error
from gateway.errors import GatewayError, UpstreamCut
from gateway.types import Ask, AudioChunk, Call, Event, Inbound, Operation, Rendered, Speech, Units, Usage

FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
MAX_INPUT_CHARS = 1_000_000  # what one target cannot take is for the target to refuse; this bounds everybody's memory
_KNOWN = frozenset({"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"})


class OpenAISpeech:
    name = "openai.speech"
    operation: Operation = "speech"
    takes_form = False
    indifferent = frozenset({"stream_format"})

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        text = fields.required_string("input")
        if not text.strip():
            raise fields.error("input", "must have something to say; it is empty or only spaces")
        if len(text) > MAX_INPUT_CHARS:
            raise fields.error("input", f"must have at most {MAX_INPUT_CHARS} characters; it has {len(text)}")
        speed = fields.number("speed", 0.25, 4.0)
        streams_as = fields.string("stream_format", choices=("audio", "sse"))
        speech = Speech(
            text=text,
            voice=_voice(fields),
            format=fields.string("response_format", choices=FORMATS) or "mp3",
            speed=1.0 if speed is None else speed,
            instructions=fields.string("instructions"),
            streams_as="sse" if streams_as == "sse" else "audio",
            extra=fields.rest(_KNOWN),
        )
        return Ask(fields.string("model") or "", speech, stream=True)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Speech)
        first = await anext(events, None)
        if not isinstance(first, AudioChunk) or first.format is None:
            raise UpstreamCut("the answer holds no audio")
        if call.body.streams_as == "sse":
            return Rendered("text/event-stream; charset=utf-8", _sse(first, events))
        return Rendered(first.format.content_type, _audio(first, events))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_sse_error(error, request_id) if started else encode_json_error(error, request_id)


def _voice(fields: Fields) -> str:
    """A name, or OpenAI's `{id}` of a custom voice."""
    fields.require("voice")
    if isinstance(fields.raw["voice"], dict):
        inner = fields.object("voice")
        assert inner is not None
        return inner.required_string("id")
    return fields.required_string("voice")


async def _audio(first: AudioChunk, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    yield first.data
    async for event in events:
        if isinstance(event, AudioChunk):
            yield event.data


async def _sse(first: AudioChunk, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    yield _delta(first)
    units = Units()
    async for event in events:
        if isinstance(event, AudioChunk):
            yield _delta(event)
        elif isinstance(event, Usage):
            units = event.units
    usage = {
        "input_tokens": units.input_tokens,
        "output_tokens": units.output_tokens,
        "total_tokens": units.input_tokens + units.output_tokens,
    }
    yield sse.write(json.dumps({"type": "speech.audio.done", "usage": usage}))


def _delta(chunk: AudioChunk) -> bytes:
    audio = base64.b64encode(chunk.data).decode()
    return sse.write(json.dumps({"type": "speech.audio.delta", "audio": audio}))

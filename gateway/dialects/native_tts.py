"""`POST /tts/speak`: a text goes in, its sound comes out, as hexadecimal digits or base64 within JSON.

   {text, voice?, model?, provider?, format?, speed?, encoding?, language?, instructions?, sample_rate_hz?, ssml?}
-> {success, audio_data, format, provider, response_time_ms, cost_usd, metadata: {model, voice, content_type, …}}
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

from gateway.dialects.native import JSON, Native, answer, read_fields, spoken_text
from gateway.errors import UpstreamCut
from gateway.types import Ask, AudioChunk, AudioFormat, Call, Event, Inbound, Operation, Rendered, Speech, Usage

FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
ENCODINGS = ("hex", "base64")
DEFAULT_VOICE = "alloy"  # the names of OpenAI's voices are mapped for every provider
MAX_TEXT_CHARS = 1_000_000  # as openai.speech
THREAD_BYTES = 262_144  # writing more out takes over a millisecond: not on the loop
_FIELDS = (
    *("text", "voice", "model", "provider", "format", "speed", "encoding"),
    *("language", "instructions", "sample_rate_hz", "ssml"),
)


class NativeTts(Native):
    name = "native.tts"
    operation: Operation = "speech"
    indifferent = frozenset({"encoding"})

    def decode(self, inbound: Inbound) -> Ask:
        fields = read_fields(inbound.body, _FIELDS)
        speed = fields.number("speed", 0.25, 4.0)
        speech = Speech(
            text=spoken_text(fields, "text", MAX_TEXT_CHARS),
            voice=fields.string("voice") or DEFAULT_VOICE,
            format=fields.string("format", choices=FORMATS) or "mp3",
            speed=1.0 if speed is None else speed,
            instructions=fields.string("instructions"),
            language=fields.string("language"),
            sample_rate_hz=fields.integer("sample_rate_hz", 8_000, 48_000),
            is_ssml=fields.boolean("ssml") or False,
            extra={"encoding": fields.string("encoding", choices=ENCODINGS) or "hex"},
        )
        return Ask(fields.string("model") or "", speech, stream=True, provider=fields.string("provider") or "")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Speech)
        chunks: list[bytes] = []
        form: AudioFormat | None = None
        characters = len(call.body.text)
        async for event in events:
            if isinstance(event, AudioChunk):
                chunks.append(event.data)
                form = event.format or form
            elif isinstance(event, Usage) and event.units.characters:
                characters = event.units.characters
        if form is None:
            raise UpstreamCut("the answer holds no audio")
        audio = b"".join(chunks)
        is_long = len(audio) > THREAD_BYTES
        encoding = call.body.extra["encoding"]
        written = await asyncio.to_thread(_written, audio, encoding) if is_long else _written(audio, encoding)
        metadata = {
            "voice": call.body.voice,
            "encoding": encoding,
            "content_type": form.content_type,
            "sample_rate_hz": form.sample_rate_hz,
            "size_bytes": len(audio),
            "characters": characters,
        }
        return Rendered(JSON, answer(call, {"audio_data": written, "format": form.name}, metadata))


def _written(audio: bytes, encoding: str) -> str:
    return audio.hex() if encoding == "hex" else base64.b64encode(audio).decode()

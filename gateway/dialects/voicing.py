"""What the vendors' formats of speech share: reading a text, its sound as it comes or whole, names in errors."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from typing import Literal

from gateway.audio import wav
from gateway.audio.companding import Compander, Law
from gateway.dialects.fields import Fields
from gateway.errors import GatewayError, UpstreamCut, UpstreamMalformed
from gateway.types import AudioChunk, AudioFormat, Call, Event, Speech

MAX_TEXT_CHARS = 1_000_000  # as openai.speech: what one target cannot take is for the target to refuse
THREAD_BYTES = 262_144  # writing more out takes over a millisecond: not on the loop
LAW_RATE_HZ = 8_000  # of telephony
LAW = "law"  # in `Speech.extra`: pcm is asked for, and made 8 bit samples here

Gender = Literal["female", "male", "neutral"]
_VOICES: Mapping[Gender, str] = {"female": "nova", "male": "onyx", "neutral": "alloy"}  # which every provider has


def voice_like(gender: Gender = "neutral") -> str:
    """Return the voice for a client that names none."""
    return _VOICES[gender]


def text_of(fields: Fields, key: str) -> str:
    """Return a required text that has something in it. Raises InvalidRequest."""
    text = fields.required_string(key)
    if not text.strip():
        raise fields.error(key, "must have something to say; it is empty or only spaces")
    if len(text) > MAX_TEXT_CHARS:
        raise fields.error(key, f"must have at most {MAX_TEXT_CHARS} characters; it has {len(text)}")
    return text


def law_of(call: Call) -> Law | None:
    assert isinstance(call.body, Speech)
    law: Law | None = call.body.extra.get(LAW)
    return law


async def begun(events: AsyncIterator[Event]) -> tuple[AudioChunk, AudioFormat]:
    """Return the first sound and what it is. Raises UpstreamCut where there is none."""
    first = await anext(events, None)
    if not isinstance(first, AudioChunk) or first.format is None:
        raise UpstreamCut("the answer holds no audio")
    return first, first.format


async def streamed(
    first: AudioChunk, events: AsyncIterator[Event], law: Law | None = None, header: bytes = b""
) -> AsyncIterator[bytes]:
    """Yield the sound as it comes, behind a header, and as 8 bit samples where there is a law."""
    compander = Compander(law) if law is not None else None
    data = header + (first.data if compander is None else compander.feed(first.data))
    yield data
    async for event in events:
        if isinstance(event, AudioChunk):
            yield event.data if compander is None else compander.feed(event.data)


async def whole(events: AsyncIterator[Event], law: Law | None = None) -> tuple[bytes, AudioFormat]:
    """Return all of the sound, and what it is before a law. Raises UpstreamCut."""
    first, form = await begun(events)
    return b"".join([chunk async for chunk in streamed(first, events, law)]), form


async def in_base64(audio: bytes) -> str:
    if len(audio) > THREAD_BYTES:
        return await asyncio.to_thread(_in_base64, audio)
    return _in_base64(audio)


def with_sizes(audio: bytes) -> bytes:
    """Return a WAV whose header says how long it is: one that was streamed could not know. Raises UpstreamMalformed."""
    try:
        head, samples = wav.strip(audio)
    except wav.NotWav as error:
        raise UpstreamMalformed(f"the vendor's WAV {error}") from error
    if head.encoding != "pcm":
        return audio
    return wav.wrap(samples, head.sample_rate_hz, channels=head.channels, bits_per_sample=head.bits_per_sample)


def law_header(law: Law, rate_hz: int, data_bytes: int | None = None) -> bytes:
    return wav.header(rate_hz, bits_per_sample=8, data_bytes=data_bytes, encoding=law)


def renamed(error: GatewayError, names: Mapping[str, str]) -> tuple[str, str | None]:
    """Return an error's message and field, where the field is the client's own name of what we call otherwise."""
    if error.param is None or error.param not in names:
        return error.message, error.param
    return error.message.replace(f"'{error.param}'", f"'{names[error.param]}'", 1), names[error.param]


def _in_base64(audio: bytes) -> str:
    return base64.b64encode(audio).decode()

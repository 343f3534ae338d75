"""Deepgram's text to speech: `POST /v1/speak?model=…` with `{"text"}`. Wire format: vendors.md 7, deepgram-sdk 7.17.0.

A voice is a model there: `aura-2-thalia-en` is the voice of that name here, and of the model `aura-2` where that is
served; else the route's own model speaks as this voice.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway.audio.ability import PCM_RATE_HZ
from gateway.dialects.deepgram_errors import DeepgramErrors
from gateway.dialects.deepgram_query import Query
from gateway.dialects.native import read_fields
from gateway.dialects.voicing import LAW, LAW_RATE_HZ, begun, law_header, law_of, streamed, text_of
from gateway.errors import InvalidRequest
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, Speech

DEFAULT_VOICE = "aura-asteria-en"
CONTAINER = "container"  # in `Speech.extra`, where 8 bit samples come with a WAV header
ENCODINGS = ("linear16", "flac", "mulaw", "alaw", "mp3", "opus", "aac")
CONTAINERS = ("none", "wav", "ogg")

# Which containers an encoding has, the default first.
_CONTAINERS: Mapping[str, tuple[str, ...]] = {
    "linear16": ("wav", "none"),
    "mulaw": ("wav", "none"),
    "alaw": ("wav", "none"),
    "opus": ("ogg",),
}
_FORMATS = {"flac": "flac", "mp3": "mp3", "opus": "opus", "aac": "aac"}
_LAWS = ("mulaw", "alaw")
_FAMILY = re.compile(r"(aura(?:-[0-9]+)?)-[a-z]{2,40}-[a-z]{2}")
_HINTS = ("bit_rate", "tag")
_REFUSED = ("callback", "callback_method", "mip_opt_out")
_QUERY = ("model", "encoding", "container", "sample_rate", "speed", *_HINTS, *_REFUSED)


class DeepgramSpeak(DeepgramErrors):
    name = "deepgram.speak"
    operation: Operation = "speech"
    takes_form = False
    own_fields = frozenset({LAW, CONTAINER})

    def decode(self, inbound: Inbound) -> Ask:
        query = Query.read(inbound.head, _QUERY)
        for name in _REFUSED:
            if query.is_asked(name):
                raise InvalidRequest(f"'{name}' is not carried here; leave it out", param=name)
        voice = query.text("model") or DEFAULT_VOICE
        encoding = query.text("encoding", ENCODINGS) or "mp3"
        container = _container(query, encoding)
        speed = query.number("speed", 0.25, 4.0)
        fields = read_fields(inbound.body, ("text",))
        extra: dict[str, Any] = {name: query.all(name) for name in _HINTS if query.all(name)}
        if encoding in _LAWS:
            extra |= {LAW: encoding, CONTAINER: container}
        family = _FAMILY.fullmatch(voice)
        speech = Speech(
            text=text_of(fields, "text"),
            voice=voice,
            format=_FORMATS.get(encoding) or ("wav" if container == "wav" and encoding not in _LAWS else "pcm"),
            speed=1.0 if speed is None else speed,
            sample_rate_hz=_rate_hz(query, encoding),
            extra=extra,
        )
        return Ask(family[1] if family else "", speech, stream=True, wish="")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Speech)
        first, form = await begun(events)
        law = law_of(call)
        header, content_type = b"", form.content_type
        if law is not None:
            content_type = f"audio/{law};rate={form.sample_rate_hz or LAW_RATE_HZ}"
            if call.body.extra[CONTAINER] == "wav":
                header, content_type = law_header(law, form.sample_rate_hz or LAW_RATE_HZ), "audio/wav"
        elif form.name == "pcm":
            content_type = f"audio/l16;rate={form.sample_rate_hz or PCM_RATE_HZ};channels=1"
        headers = {
            "dg-request-id": call.id,
            "dg-model-name": call.body.voice,
            "dg-char-count": str(len(call.body.text)),
        }
        return Rendered(content_type, streamed(first, events, law, header), headers=headers)


def _container(query: Query, encoding: str) -> str:
    having = _CONTAINERS.get(encoding, ("none",))
    given = query.text("container", CONTAINERS)
    if given is not None and given not in having:
        raise InvalidRequest(
            f"'container' of {encoding} must be {' or '.join(having)}; it is {given!r}", param="container"
        )
    return given or having[0]


def _rate_hz(query: Query, encoding: str) -> int | None:
    """Return the rate that was asked for; 8 bit samples have that of telephony unless another is."""
    given = query.number("sample_rate", 8_000, 48_000)
    if given is not None and not given.is_integer():
        raise InvalidRequest("'sample_rate' must be a whole number", param="sample_rate")
    return int(given) if given is not None else LAW_RATE_HZ if encoding in _LAWS else None

"""Polly's SynthesizeSpeech: `POST /v1/speech`. Wire format: vendors.md 6, botocore 1.44.5, 2026-11-23.

Speech marks are refused: nobody but Polly says when which word is spoken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway.audio import ssml
from gateway.dialects.fields import Fields
from gateway.dialects.native import read_fields
from gateway.dialects.polly_errors import PollyErrors
from gateway.dialects.voicing import LAW, begun, law_of, streamed, text_of
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, Speech

ENGINES = ("standard", "neural", "long-form", "generative")
FORMATS = ("mp3", "ogg_opus", "ogg_vorbis", "pcm", "mulaw", "alaw", "json")
MAX_LEXICONS = 5

_RATES: Mapping[str, tuple[str, ...]] = {
    "mp3": ("8000", "16000", "22050", "24000", "44100", "48000"),
    "ogg_opus": ("48000",),
    "pcm": ("16000", "8000"),
    "mulaw": ("8000",),
    "alaw": ("8000",),
}
_DEFAULT_RATES_HZ = {"pcm": 16_000, "mulaw": 8_000, "alaw": 8_000}  # the others say themselves which they have
_CONTENT_TYPES = {"pcm": "audio/pcm", "mulaw": "audio/mulaw", "alaw": "audio/alaw"}
_LAWS = ("mulaw", "alaw")
_FIELDS = (
    *("Engine", "LanguageCode", "LexiconNames", "OutputFormat", "SampleRate", "SpeechMarkTypes"),
    *("Text", "TextType", "VoiceId"),
)


class PollySpeech(PollyErrors):
    name = "polly.speech"
    operation: Operation = "speech"
    takes_form = False
    signed_service = "polly"
    own_fields = frozenset({LAW})

    def decode(self, inbound: Inbound) -> Ask:
        fields = read_fields(inbound.body, _FIELDS)
        name = _format(fields)
        speech = Speech(
            text=text_of(fields, "Text"),
            voice=fields.required_string("VoiceId"),
            format="pcm" if name in _LAWS else name.removeprefix("ogg_"),
            language=fields.string("LanguageCode"),
            sample_rate_hz=_rate_hz(fields, name),
            is_ssml=fields.string("TextType", choices=("text", "ssml")) == "ssml",
            extra=_extra(fields, name),
        )
        return Ask(fields.string("Engine", choices=ENGINES) or "", speech, stream=True, wish="Engine")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Speech)
        first, form = await begun(events)
        law = law_of(call)
        text = ssml.without_tags(call.body.text) if call.body.is_ssml else call.body.text
        headers = {"x-amzn-requestcharacters": str(len(text)), "x-amzn-requestid": call.id}
        content_type = _CONTENT_TYPES.get(law or form.name, form.content_type)
        return Rendered(content_type, streamed(first, events, law), headers=headers)


def _format(fields: Fields) -> str:
    fields.require("OutputFormat")
    name = fields.string("OutputFormat", choices=FORMATS)
    assert name is not None
    if name == "json" or fields.strings("SpeechMarkTypes"):
        raise fields.error(
            "SpeechMarkTypes", "are not to be had here: speech marks come from Polly alone; ask for audio"
        )
    if name not in _RATES:
        raise fields.error("OutputFormat", f"{name} is not made here; it is one of {', '.join(_RATES)}")
    return name


def _rate_hz(fields: Fields, name: str) -> int | None:
    given = fields.string("SampleRate")
    if given is None:
        return _DEFAULT_RATES_HZ.get(name)
    if given not in _RATES[name]:
        raise fields.error("SampleRate", f"of {name} must be one of {', '.join(_RATES[name])}; it is {given[:20]!r}")
    return int(given)


def _extra(fields: Fields, name: str) -> dict[str, Any]:
    lexicons = fields.strings("LexiconNames", high=MAX_LEXICONS)
    extra: dict[str, Any] = {"LexiconNames": lexicons} if lexicons else {}
    return extra | ({LAW: name} if name in _LAWS else {})

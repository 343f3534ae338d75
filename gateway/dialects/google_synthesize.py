"""Google's text:synthesize: `POST /v1/text:synthesize`. Wire format: vendors.md 4, google-cloud-texttospeech 2.38.0.

The answer is one JSON object with the whole sound in base64, as Google has it. LINEAR16, MULAW and ALAW come as a WAV
file there, whose header says how long it is.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from gateway import json
from gateway.audio.ability import PCM_RATE_HZ
from gateway.dialects.gemini_proto import Proto, parse_message
from gateway.dialects.google_errors import GoogleErrors
from gateway.dialects.native import JSON
from gateway.dialects.voicing import (
    LAW,
    Gender,
    in_base64,
    law_header,
    law_of,
    text_of,
    voice_like,
    whole,
    with_sizes,
)
from gateway.types import Ask, Call, Event, Inbound, Operation, Rendered, Speech

# In the order of the enum, by whose numbers clients may give them; MP3_64_KBPS was v1beta1's.
ENCODINGS = (
    *("AUDIO_ENCODING_UNSPECIFIED", "LINEAR16", "MP3", "OGG_OPUS", "MP3_64_KBPS"),
    *("MULAW", "ALAW", "PCM", "M4A"),
)
GENDERS = ("SSML_VOICE_GENDER_UNSPECIFIED", "MALE", "FEMALE", "NEUTRAL")

_FORMATS: Mapping[str, str] = {"LINEAR16": "wav", "MP3": "mp3", "OGG_OPUS": "opus", "PCM": "pcm"}
_LAWS = ("MULAW", "ALAW")
_FAMILY = re.compile(
    r"[a-z]{2,3}-[A-Za-z0-9]{2,8}-(Chirp3-HD|Chirp-HD|Neural2|Wavenet|Standard|Studio|News|Polyglot)-", re.I
)
_TOP = frozenset({"input", "voice", "audioConfig", "advancedVoiceOptions"})
_INPUT = frozenset({"text", "ssml", "prompt", "customPronunciations"})
_VOICE = frozenset({"languageCode", "name", "ssmlGender", "modelName"})
_AUDIO = frozenset({"audioEncoding", "speakingRate", "pitch", "volumeGainDb", "sampleRateHertz", "effectsProfileId"})


class GoogleSynthesize(GoogleErrors):
    name = "google.synthesize"
    operation: Operation = "speech"
    takes_form = False
    own_fields = frozenset({LAW})

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_message(inbound.body)
        given, voice, audio = (_part(fields, name) for name in ("input", "voice", "audioConfig"))
        for part, known in ((fields, _TOP), (given, _INPUT), (voice, _VOICE), (audio, _AUDIO)):
            check_known(part, known)
        text, is_ssml = _text(given)
        encoding = _encoding(audio)
        name = voice.string("name") or ""
        model = voice.string("modelName")
        family = _FAMILY.match(name)
        speed = audio.number("speakingRate", 0.0, 2.0)
        if speed is not None and 0 < speed < 0.25:
            raise audio.error("speakingRate", f"must be from 0.25 to 2; it is {speed:g}")
        speech = Speech(
            text=text,
            voice=name or voice_like(_gender(voice)),
            format=_FORMATS.get(encoding, "pcm"),
            speed=speed or 1.0,
            instructions=given.string("prompt") or None,
            language=voice.required_string("languageCode"),
            sample_rate_hz=_rate_hz(audio, encoding),
            is_ssml=is_ssml,
            extra=_extra(fields, given, audio, encoding),
        )
        if model:
            return Ask(model, speech, wish="voice.modelName")
        return Ask(family[1].lower() if family else "", speech, wish="")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Speech)
        law = law_of(call)
        audio, form = await whole(events, law)
        if law is not None:
            audio = law_header(law, form.sample_rate_hz or PCM_RATE_HZ, len(audio)) + audio
        elif form.name == "wav":
            audio = with_sizes(audio)
        return Rendered(JSON, json.dumps({"audioContent": await in_base64(audio)}))


def check_known(fields: Proto, known: frozenset[str]) -> None:
    """Raise InvalidRequest for a field that this gateway cannot carry, unless it says nothing."""
    for name, value in fields.raw.items():
        if name not in known and value not in (None, "", 0, False, [], {}):
            raise fields.error(name[:60], "is not carried here; leave it out")


def _part(fields: Proto, name: str) -> Proto:
    fields.require(name)
    part = fields.object(name)
    assert part is not None
    return part


def _text(given: Proto) -> tuple[str, bool]:
    texts = [name for name in ("text", "ssml") if given.string(name)]
    if len(texts) != 1:
        raise given.error("text", "or 'ssml' must be given, one of them")
    return text_of(given, texts[0]), texts[0] == "ssml"


def _encoding(audio: Proto) -> str:
    encoding = audio.enum("audioEncoding", ENCODINGS)
    if encoding in (None, ENCODINGS[0]):
        raise audio.error("audioEncoding", "is required")
    assert encoding is not None
    if encoding not in _FORMATS and encoding not in _LAWS:
        listed = ", ".join((*_FORMATS, *_LAWS))
        raise audio.error("audioEncoding", f"{encoding} is not made here; it is one of {listed}")
    return encoding


def _rate_hz(audio: Proto, encoding: str) -> int | None:
    given = audio.integer("sampleRateHertz", 0, 48_000)
    if given and given < 8_000:
        raise audio.error("sampleRateHertz", f"must be from 8000 to 48000; it is {given}")
    return given or (PCM_RATE_HZ if encoding in _LAWS else None)


def _gender(voice: Proto) -> Gender:
    gender = voice.enum("ssmlGender", GENDERS)
    return cast(Gender, gender.lower()) if gender in ("MALE", "FEMALE") else "neutral"


def _extra(fields: Proto, given: Proto, audio: Proto, encoding: str) -> dict[str, Any]:
    """Return what says how it is to be spoken and nobody is sent, and the law."""
    audio.number("pitch", -20.0, 20.0)
    audio.number("volumeGainDb", -96.0, 16.0)
    extra: dict[str, Any] = {
        f"audioConfig.{name}": audio.raw[name]
        for name in ("pitch", "volumeGainDb", "effectsProfileId")
        if audio.raw.get(name)
    }
    for part, path, name in ((given, "input.", "customPronunciations"), (fields, "", "advancedVoiceOptions")):
        if part.raw.get(name):
            extra[path + name] = part.raw[name]
    return extra | ({LAW: encoding.lower()} if encoding in _LAWS else {})

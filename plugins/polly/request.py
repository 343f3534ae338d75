"""The body of SynthesizeSpeech (vendors.md 6, from botocore 1.44.5 on 2026-11-23).

Polly has no field for speed: SSML around the text sets it, which Amazon grants within 20 to 200 percent for every
engine (page of supported SSML tags, read 2026-11-23).
"""

from __future__ import annotations

import re
from typing import Any

from gateway.audio import ssml
from gateway.audio.ability import Ability
from gateway.errors import InvalidRequest
from gateway.types import Speech, Target

from .voices import ENGINES, VOICES

OUTPUT_FORMATS = {
    "mp3": "mp3",
    "opus": "ogg_opus",
    "pcm": "pcm",
    "wav": "pcm",  # a header is put before it
}
# Polly's samples have 8 or 16 kHz. A WAV says so itself and serves; pcm means 24 kHz where a client names no rate, and
# calling 16 kHz that would make the voice speak half as fast again.
ABILITY = Ability(
    rates_hz={
        "mp3": (24_000, 8_000, 16_000, 22_050, 44_100, 48_000),
        "opus": (48_000,),
        "pcm": (16_000, 8_000),
        "wav": (16_000, 8_000),
    },
    min_speed=0.2,
    max_speed=2.0,
    takes_ssml=True,
)
MAX_BILLED_CHARS = 3_000  # tags are not billed
MAX_TEXT_CHARS = 6_000  # with tags, and with the escapes that a speed makes necessary

_VOICE_ID = re.compile(r"[A-Za-z]{2,40}")


def refusal(speech: Speech, target: Target) -> str | None:
    """Return why Polly cannot speak this."""
    return ABILITY.refusal(speech) or _voice_refusal(speech, target) or _text_refusal(speech)


def build(speech: Speech, target: Target) -> dict[str, Any]:
    """Return the body. Raises InvalidRequest where there is nothing to be said."""
    document, is_ssml = _document(speech)
    if not (ssml.without_tags(document) if is_ssml else document).strip():
        raise InvalidRequest("'input' has nothing that can be spoken", param="input")
    body: dict[str, Any] = {
        "Text": document,
        "TextType": "ssml" if is_ssml else "text",
        "OutputFormat": OUTPUT_FORMATS[speech.format],
        "SampleRate": str(ABILITY.rate_hz(speech)),
        "VoiceId": target.voice_for(speech.voice),
        "Engine": target.model.name,
    }
    language = _other_language(speech, target)
    if language is not None:
        body["LanguageCode"] = language
    return body


def _document(speech: Speech) -> tuple[str, bool]:
    """Return the text as it is sent, and whether that is SSML. Raises ValueError."""
    text = ssml.speakable(speech.text)
    if speech.speed == 1.0:
        return text, speech.is_ssml
    return ssml.with_rate(text, round(speech.speed * 100), is_ssml=speech.is_ssml), True


def _text_refusal(speech: Speech) -> str | None:
    if len(speech.text) > MAX_TEXT_CHARS:  # before it is worked on
        return f"takes at most {MAX_BILLED_CHARS} characters, not {len(speech.text)}"
    try:
        document, is_ssml = _document(speech)
    except ValueError as error:
        return f"cannot change the speed of this SSML: it {error}"
    billed = len(ssml.without_tags(speech.text)) if speech.is_ssml else len(speech.text)
    if billed > MAX_BILLED_CHARS:
        return f"takes at most {MAX_BILLED_CHARS} characters, not {billed}"
    if is_ssml and len(document) > MAX_TEXT_CHARS:
        return f"takes at most {MAX_TEXT_CHARS} characters of SSML, not {len(document)}"
    return None


def _voice_refusal(speech: Speech, target: Target) -> str | None:
    engine = target.model.name
    if engine not in ENGINES:
        return f"is no engine of Polly; the model's name has to be one of {', '.join(ENGINES)}"
    name = target.voice_for(speech.voice)
    if name is None or not _VOICE_ID.fullmatch(name):
        return f"has no voice {(name or speech.voice)[:60]!r}"
    voice = VOICES.get(name)
    if voice is None:
        return None
    if engine not in voice.engines:
        listed = ", ".join(engine for engine in ENGINES if engine in voice.engines)
        return f"does not have {name}, who speaks with {listed}"
    if speech.language and not any(_covers(speech.language, language) for language in voice.languages):
        return f"has no voice {name!r} in {speech.language[:35]}"
    return None


def _other_language(speech: Speech, target: Target) -> str | None:
    """Return the LanguageCode where a bilingual voice is to speak the other of its languages."""
    voice = VOICES.get(target.voice_for(speech.voice) or "")
    if voice is None or not speech.language or _covers(speech.language, voice.languages[0]):
        return None
    return next((language for language in voice.languages if _covers(speech.language, language)), None)


def _covers(wanted: str, language: str) -> bool:
    """`en` takes in every English; `en-US` that one only."""
    wanted, language = wanted.replace("_", "-").lower(), language.lower()
    return wanted in (language, language.partition("-")[0])

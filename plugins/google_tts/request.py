"""The body of text:synthesize (vendors.md 4, from google-cloud-texttospeech 2.38.0 on 2026-11-23)."""

from __future__ import annotations

import re
from typing import Any

from gateway.audio import ssml
from gateway.audio.ability import Ability
from gateway.errors import InvalidRequest
from gateway.types import Speech, Target

from .voices import DEFAULT_LOCALE, FAMILIES, locale_of

ENCODINGS = {
    "mp3": "MP3",
    "opus": "OGG_OPUS",
    "wav": "LINEAR16",  # comes with a WAV header
    "pcm": "PCM",  # the same without it
}
# M4A would be AAC in an MP4 container, which is not the ADTS stream that `aac` means.
_RATES_HZ = (24_000, 8_000, 16_000, 22_050, 32_000, 44_100, 48_000)
ABILITY = Ability(
    rates_hz={"mp3": _RATES_HZ, "wav": _RATES_HZ, "pcm": _RATES_HZ, "opus": (24_000, 8_000, 12_000, 16_000, 48_000)},
    min_speed=0.25,
    max_speed=2.0,
    takes_ssml=True,
)
_VOICE = re.compile(r"([a-z]{2,3}-[A-Za-z0-9]{2,4})-([A-Za-z0-9]+(?:-HD)?)-([A-Za-z0-9-]{1,60})")


def refusal(speech: Speech, target: Target) -> str | None:
    """Return why Google cannot speak this."""
    return ABILITY.refusal(speech) or _voice_refusal(speech, target)


def build(speech: Speech, target: Target) -> dict[str, Any]:
    """Return the body. Raises InvalidRequest where there is nothing to be said."""
    text = ssml.speakable(speech.text)
    if not text.strip():
        raise InvalidRequest("'input' has nothing that can be spoken", param="input")
    name = voice_of(speech, target)
    assert name is not None, "refusal has seen the voice"
    audio: dict[str, Any] = {"audioEncoding": ENCODINGS[speech.format], "sampleRateHertz": ABILITY.rate_hz(speech)}
    if speech.speed != 1.0:
        audio["speakingRate"] = speech.speed
    return {
        "input": {"ssml" if speech.is_ssml else "text": text},
        "voice": {"languageCode": locale(name), "name": name},
        "audioConfig": audio,
    }


def voice_of(speech: Speech, target: Target) -> str | None:
    """Return Google's full name of the voice in the language asked for, or None where there is none."""
    family = FAMILIES.get(target.model.name)
    name = target.voice_for(speech.voice)
    if family is None or name is None:
        return None
    if family == "Chirp3-HD" and "-" not in name:
        name = f"{DEFAULT_LOCALE}-{family}-{name}"
    found = _VOICE.fullmatch(name)
    if found is None or found[2] != family:
        return None
    if speech.language is None or _is_language_of(speech.language, found[1]):
        return name
    wanted = locale_of(speech.language) if family == "Chirp3-HD" else None  # whose voices speak all of its languages
    return f"{wanted}-{family}-{found[3]}" if wanted else None


def locale(name: str) -> str:
    """Return the languageCode that a voice's name begins with."""
    found = _VOICE.fullmatch(name)
    assert found is not None
    return found[1]


def _voice_refusal(speech: Speech, target: Target) -> str | None:
    if target.model.name not in FAMILIES:
        return f"is no family of voices; the model's name has to be one of {', '.join(FAMILIES)}"
    if voice_of(speech, target) is None:
        wanted = f" in {speech.language[:35]}" if speech.language else ""
        return f"has no voice {(target.voice_for(speech.voice) or speech.voice)[:60]!r}{wanted}"
    return None


def _is_language_of(language: str, locale: str) -> bool:
    """A voice of en-US is one for `en`, and for `en-US`."""
    tag = language.replace("_", "-").lower()
    return tag in (locale.lower(), locale.lower().partition("-")[0])

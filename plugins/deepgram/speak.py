"""Text to speech by Aura: `POST /v1/speak?model=…` (vendors.md 7, from deepgram-sdk 7.17.0 on 2026-11-23).

All options are in the query, the text is the body. Which sample rate goes with which encoding is Deepgram's table of
audio format combinations (page "media output settings", read 2026-11-23): mp3 and aac have one only.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

from gateway import json
from gateway.audio import ssml
from gateway.audio.ability import Ability
from gateway.audio.answer import audio_events, audio_format, read_audio
from gateway.errors import InvalidRequest
from gateway.types import Call, Event, Speech, Target, Units, UpstreamRequest, UpstreamResponse, Usage

from .voices import FAMILIES

ENCODINGS: Mapping[str, Mapping[str, str]] = {
    "mp3": {"encoding": "mp3"},
    "opus": {"encoding": "opus", "container": "ogg"},
    "aac": {"encoding": "aac"},
    "flac": {"encoding": "flac"},
    "wav": {"encoding": "linear16", "container": "wav"},
    "pcm": {"encoding": "linear16", "container": "none"},
}
_SETTABLE = frozenset({"wav", "pcm", "flac"})  # the others refuse a sample_rate
_SAMPLES_HZ = (24_000, 8_000, 16_000, 32_000, 48_000)
ABILITY = Ability(
    rates_hz={
        "mp3": (22_050,),
        "opus": (48_000,),
        "aac": (22_050,),
        "flac": (48_000, 8_000, 16_000, 22_050, 32_000),  # 24 kHz is not offered; twice that loses nothing
        "wav": _SAMPLES_HZ,
        "pcm": _SAMPLES_HZ,
    },
    min_speed=0.7,
    max_speed=1.5,
)
_SPEED_LANGUAGES = frozenset({"en", "es"})  # of Aura-2 only (changelog of 2026-05-04)
_VOICE = re.compile(r"[a-z]{2,40}")
_FULL_VOICE = re.compile(r"(aura(?:-2)?)-([a-z]{2,40})-([a-z]{2})")


def refusal(call: Call, target: Target) -> str | None:
    """Return why Aura cannot speak this."""
    speech = call.body
    assert isinstance(speech, Speech)
    reason = ABILITY.refusal(speech)
    if reason is not None:
        return reason
    if target.model.name not in FAMILIES:
        return f"is no family of voices; the model's name has to be one of {', '.join(FAMILIES)}"
    voice = voice_of(speech, target)
    if voice is None:
        wanted = f" in {speech.language[:35]}" if speech.language else ""
        return f"has no voice {(target.voice_for(speech.voice) or speech.voice)[:60]!r}{wanted}"
    if speech.speed != 1.0 and (target.model.name != "aura-2" or voice[-2:] not in _SPEED_LANGUAGES):
        return f"speaks at its own speed only with {voice}, not at {speech.speed:g} times that"
    return None


def build(call: Call, target: Target) -> UpstreamRequest:
    """Return the request. Raises InvalidRequest where there is nothing to be said."""
    speech = call.body
    assert isinstance(speech, Speech)
    text = ssml.speakable(speech.text)
    if not text.strip():
        raise InvalidRequest("'input' has nothing that can be spoken", param="input")
    voice = voice_of(speech, target)
    assert voice is not None, "refusal has seen the voice"
    query = {"model": voice, **ENCODINGS[speech.format]}
    if speech.format in _SETTABLE:
        query["sample_rate"] = str(ABILITY.rate_hz(speech))
    if speech.speed != 1.0:
        query["speed"] = f"{speech.speed:g}"
    url = f"{target.provider.base_url}/v1/speak?{urlencode(query)}"
    headers = {"content-type": "application/json", "accept": "*/*"}
    return UpstreamRequest("POST", url, headers, json.dumps({"text": text}))


def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    """Return the audio as it comes."""
    speech = call.body
    assert isinstance(speech, Speech)
    promised = audio_format(speech.format, ABILITY.rate_hz(speech))
    return audio_events(read_audio(response, promised), promised, _usage(speech, response))


def voice_of(speech: Speech, target: Target) -> str | None:
    """Return Deepgram's full name of the voice, or None where it has none of this family in the language asked for."""
    name = target.voice_for(speech.voice)
    if name is None:
        return None
    if _VOICE.fullmatch(name):  # newer than our list: its language is taken from the call
        name = f"{target.model.name}-{name}-{_primary(speech.language or 'en')}"
    found = _FULL_VOICE.fullmatch(name)
    if found is None or found[1] != target.model.name:
        return None
    return name if speech.language is None or _primary(speech.language) == found[3] else None


def _primary(language: str) -> str:
    return re.split("[-_]", language, maxsplit=1)[0].lower()


def _usage(speech: Speech, response: UpstreamResponse) -> Usage:
    """The vendor's own count is in the head; without it ours is an estimate."""
    billed = response.headers.get("dg-char-count", "")
    if billed.isascii() and billed.isdigit():
        return Usage(Units(characters=int(billed[:12])))
    return Usage(Units(characters=len(speech.text)), is_estimated=True)

"""Text to speech: `POST /v1/text-to-speech/{voice_id}/stream` (vendors.md 8, from elevenlabs 2.78.0 on 2026-11-23).

The streaming endpoint has mp3, Opus and samples; a WAV is samples with a header put before them here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from gateway import json
from gateway.audio import ssml, wav
from gateway.audio.ability import Ability
from gateway.audio.answer import audio_events, audio_format, read_audio
from gateway.errors import InvalidRequest
from gateway.types import AudioFormat, Call, Event, Speech, Target, Units, UpstreamRequest, UpstreamResponse, Usage

# Codec, rate and kbit/s as one word. The richest that every plan has: mp3_44100_192 and pcm_44100 ask for a larger one.
_MP3 = {44_100: "mp3_44100_128", 24_000: "mp3_24000_48", 22_050: "mp3_22050_32"}
_OPUS = {48_000: "opus_48000_64"}
_SAMPLES_HZ = (24_000, 8_000, 16_000, 22_050, 32_000, 48_000)
_SAMPLES = {rate_hz: f"pcm_{rate_hz}" for rate_hz in _SAMPLES_HZ}
OUTPUT_FORMATS: Mapping[str, Mapping[int, str]] = {"mp3": _MP3, "opus": _OPUS, "pcm": _SAMPLES, "wav": _SAMPLES}
ABILITY = Ability(
    rates_hz={name: tuple(rates) for name, rates in OUTPUT_FORMATS.items()},
    min_speed=0.7,  # not verified: the vendor's application offers 0.7 to 1.2
    max_speed=1.2,
)
_VOICE_ID = re.compile(r"[A-Za-z0-9]{8,64}")  # it becomes part of the path
_ENGLISH_ONLY = frozenset({"eleven_flash_v2", "eleven_turbo_v2", "eleven_monolingual_v1"})


def refusal(call: Call, target: Target) -> str | None:
    """Return why ElevenLabs cannot speak this."""
    speech = call.body
    assert isinstance(speech, Speech)
    reason = ABILITY.refusal(speech)
    if reason is not None:
        return reason
    voice = target.voice_for(speech.voice)
    if voice is None or not _VOICE_ID.fullmatch(voice):
        return f"has no voice {(voice or speech.voice)[:60]!r}; its voices are named by their ids"
    if speech.language and target.model.name in _ENGLISH_ONLY and _primary(speech.language) != "en":
        return f"speaks English only, not {speech.language[:35]}"
    return None


def build(call: Call, target: Target) -> UpstreamRequest:
    """Return the request. Raises InvalidRequest where there is nothing to be said."""
    speech = call.body
    assert isinstance(speech, Speech)
    text = ssml.speakable(speech.text)
    if not text.strip():
        raise InvalidRequest("'input' has nothing that can be spoken", param="input")
    body: dict[str, Any] = {"text": text, "model_id": target.model.name}
    if speech.speed != 1.0:
        body["voice_settings"] = {"speed": speech.speed}
    if speech.language and "multilingual" not in target.model.name and target.model.name not in _ENGLISH_ONLY:
        body["language_code"] = _primary(speech.language)  # multilingual models hear it from the text, and refuse this
    output_format = OUTPUT_FORMATS[speech.format][ABILITY.rate_hz(speech)]
    path = f"/v1/text-to-speech/{target.voice_for(speech.voice)}/stream?output_format={output_format}"
    headers = {"content-type": "application/json", "accept": "*/*"}
    return UpstreamRequest("POST", target.provider.base_url + path, headers, json.dumps(body))


def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    """Return the audio as it comes."""
    speech = call.body
    assert isinstance(speech, Speech)
    promised = audio_format(speech.format, ABILITY.rate_hz(speech))
    usage = _usage(speech, response)
    if speech.format != "wav":
        return audio_events(read_audio(response, promised), promised, usage)
    return audio_events(_with_header(response, promised), promised, usage)


async def _with_header(response: UpstreamResponse, promised: AudioFormat) -> AsyncIterator[bytes]:
    is_first = True
    async for chunk in read_audio(response, replace(promised, name="pcm")):
        yield wav.header(promised.sample_rate_hz or 0) + chunk if is_first else chunk
        is_first = False


def _usage(speech: Speech, response: UpstreamResponse) -> Usage:
    """`character-cost` is what the account is charged, in characters of its quota: a fast model takes half of them.

    Without it our own count is an estimate.
    """
    cost = response.headers.get("character-cost", "")
    if cost.isascii() and cost.isdigit():
        return Usage(Units(characters=int(cost[:12])))
    return Usage(Units(characters=len(speech.text)), is_estimated=True)


def _primary(language: str) -> str:
    return re.split("[-_]", language, maxsplit=1)[0].lower()

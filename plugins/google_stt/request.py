"""The body of `speech:recognize` in v1, and of a recognizer's in v2 (google-cloud-speech 2.41.0, 2026-11-23).

The recording goes out as base64 within JSON, read from its file as it is sent. The encodings that v1 wants to be told
stand in the head of the file; v2 detects them.
"""

from __future__ import annotations

import re
from typing import Any

from gateway import json
from gateway.types import Base64File, Recording, Target, UpstreamRequest

from .languages import to_google
from .options import DEFAULT_BASE_URL, is_v2, language

MAX_BYTES = 10_485_760  # of one request, as of Google's page of quotas; before it is base64
MAX_AUDIO_S = 60.0
MAX_SPEAKERS = 6  # Google's own default; a bound has to be named in v2
MIN_RATE_HZ, MAX_RATE_HZ, MAX_CHANNELS = 8_000, 48_000, 8
_MAX_PHRASES, _MAX_PHRASE_CHARS = 500, 100

_V1_WAV = {"pcm": "LINEAR16", "mulaw": "MULAW"}
_V2_CONTAINERS = frozenset({"wav", "flac", "mp3", "ogg", "webm", "mp4"})


def refusal(recording: Recording, target: Target) -> str | None:
    """Return why Google cannot write this down in one request."""
    size = recording.audio.size_bytes
    if size > MAX_BYTES:
        return f"takes at most {MAX_BYTES} bytes in one request, not {size}"
    if recording.duration_s is not None and recording.duration_s > MAX_AUDIO_S:
        return f"takes at most {MAX_AUDIO_S:g} s in one request, not {recording.duration_s:.1f} s"
    if is_v2(target):
        if not target.provider.options.get("project"):
            return "needs the option project for v2"
        reason = _v2_fault(recording)
    else:
        reason = _v1_fault(recording)
    if recording.is_translation and not (is_v2(target) and target.model.options.get("translates")):
        return "does not translate"
    if recording.format == "diarized_json" and not target.model.options.get("speakers", True):
        return "does not tell speakers apart"
    return reason


def build(recording: Recording, target: Target) -> UpstreamRequest:
    base = target.provider.base_url
    if is_v2(target):
        options = target.provider.options
        location = str(options.get("location", "global"))
        if location != "global" and base == DEFAULT_BASE_URL:
            base = base.replace("://", f"://{location}-", 1)
        url = f"{base}/v2/projects/{options['project']}/locations/{location}/recognizers/_:recognize"
        before = json.dumps({"config": _v2_config(recording, target)})[:-1] + b',"content":"'
        after = b'"}'
    else:
        url = f"{base}/v1/speech:recognize"
        before = json.dumps({"config": _v1_config(recording, target)})[:-1] + b',"audio":{"content":"'
        after = b'"}}'
    headers = {"content-type": "application/json", "accept": "application/json"}
    return UpstreamRequest("POST", url, headers, upload=Base64File(before, recording.audio, after))


def _v1_config(recording: Recording, target: Target) -> dict[str, Any]:
    encoding = _v1_encoding(recording)
    sound = recording.sound
    config: dict[str, Any] = {
        "encoding": encoding,
        "languageCode": to_google(recording.language or language(target)),
        "model": target.model.name,
        "maxAlternatives": 1,
        "enableWordTimeOffsets": True,
        "enableWordConfidence": True,
        "enableAutomaticPunctuation": True,
    }
    if sound.sample_rate_hz is not None:
        config["sampleRateHertz"] = sound.sample_rate_hz
    if sound.channels is not None and sound.channels > 1:
        config["audioChannelCount"] = sound.channels
    if recording.format == "diarized_json":
        config["diarizationConfig"] = {"enableSpeakerDiarization": True}
    if phrases := _phrases(recording.prompt):
        config["speechContexts"] = [{"phrases": phrases}]
    return config


def _v2_config(recording: Recording, target: Target) -> dict[str, Any]:
    wanted = recording.language or language(target)
    features: dict[str, Any] = {
        "enableWordTimeOffsets": True,
        "enableWordConfidence": True,
        "enableAutomaticPunctuation": True,
    }
    if recording.format == "diarized_json":
        features["diarizationConfig"] = {"minSpeakerCount": 1, "maxSpeakerCount": MAX_SPEAKERS}
    config: dict[str, Any] = {
        "autoDecodingConfig": {},
        "model": target.model.name,
        "languageCodes": ["auto" if wanted == "auto" else to_google(wanted)],
        "features": features,
    }
    if recording.is_translation:
        config["translationConfig"] = {"targetLanguage": "en-US"}
    if phrases := _phrases(recording.prompt):
        inline = {"phrases": [{"value": phrase} for phrase in phrases]}
        config["adaptation"] = {"phraseSets": [{"inlinePhraseSet": inline}]}
    return config


def _v1_encoding(recording: Recording) -> str | None:
    sound = recording.sound
    match recording.container:
        case "wav" if sound.codec == "pcm" and sound.bits_per_sample not in (None, 16):
            return None
        case "wav":
            return _V1_WAV.get(sound.codec or "")
        case "flac":
            return "FLAC"
        case "mp3" if sound.sample_rate_hz is not None:
            return "MP3"
        case "ogg" if sound.codec == "opus":
            return "OGG_OPUS"
        case "webm" if sound.codec == "opus":
            return "WEBM_OPUS"
    return None


def _v1_fault(recording: Recording) -> str | None:
    sound = recording.sound
    if recording.container in ("mp4", "aac"):
        return f"does not take {recording.container} with v1; option `api: v2` takes mp4"
    if _v1_encoding(recording) is None:
        bits = f" of {sound.bits_per_sample} bits" if sound.bits_per_sample else ""
        return f"does not take {recording.container} with {sound.codec or 'an unknown codec'}{bits}"
    return _layout_fault(recording)


def _v2_fault(recording: Recording) -> str | None:
    if recording.container not in _V2_CONTAINERS:
        return f"does not take {recording.container}"
    return _layout_fault(recording)


def _layout_fault(recording: Recording) -> str | None:
    sound = recording.sound
    if sound.sample_rate_hz is not None and not MIN_RATE_HZ <= sound.sample_rate_hz <= MAX_RATE_HZ:
        return f"takes {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz, not {sound.sample_rate_hz}"
    if sound.channels is not None and sound.channels > MAX_CHANNELS:
        return f"takes at most {MAX_CHANNELS} channels, not {sound.channels}"
    return None


def _phrases(prompt: str | None) -> list[str]:
    """What a prompt names, for Google to listen for: its parts between commas and lines."""
    parts = [part.strip() for part in re.split(r"[,;\n]", prompt or "")]
    return [part[:_MAX_PHRASE_CHARS] for part in parts if part][:_MAX_PHRASES]

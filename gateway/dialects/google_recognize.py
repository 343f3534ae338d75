"""Google's recognize, v1 and v2: `POST /v1/speech:recognize` and `POST /v2/projects/…/recognizers/…:recognize`.

Wire format: vendors.md 5, google-cloud-speech 2.41.0, 2026-11-23. The route's path tells the versions apart, as at
Google. The recording is within the JSON; one in Google's own storage is for Google alone to read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.audio.probe import Unreadable, probe
from gateway.dialects.gemini_proto import Proto, parse_message
from gateway.dialects.google_errors import GoogleErrors
from gateway.dialects.google_recognize_answer import SPEAKERS, WORDS, v1_answer, v2_answer
from gateway.dialects.google_synthesize import check_known
from gateway.dialects.headerless import ENCODINGS, MAX_CHANNELS, MAX_RATE_HZ, recording_of, upload_of
from gateway.dialects.heard import heard
from gateway.dialects.native import JSON
from gateway.types import Ask, Call, Event, Inbound, Operation, Recording, Rendered, Upload

V1_ENCODINGS = (
    *("ENCODING_UNSPECIFIED", "LINEAR16", "FLAC", "MULAW", "AMR", "AMR_WB", "OGG_OPUS", "SPEEX_WITH_HEADER_BYTE"),
    *("MP3", "WEBM_OPUS"),
)
V2_ENCODINGS = (
    *("AUDIO_ENCODING_UNSPECIFIED", "LINEAR16", "MULAW", "ALAW", "AMR", "AMR_WB", "FLAC", "MP3", "OGG_OPUS"),
    *("WEBM_OPUS", "MP4_AAC", "M4A_AAC", "MOV_AAC"),
)
AUTO = "auto"

_UNREADABLE = frozenset({"AMR", "AMR_WB", "SPEEX_WITH_HEADER_BYTE"})
_HEADERLESS = frozenset({"LINEAR16", "MULAW", "ALAW"})
_TOP = frozenset({"config", "audio", "content", "recognizer", "configMask"})
_SOUND = ("encoding", "sampleRateHertz", "audioChannelCount")
# What changes how well is heard, not what is asked for: left out, and told.
_HINTS = ("alternativeLanguageCodes", "adaptation", "transcriptNormalization", "metadata", "useEnhanced")
_HINTS_V2 = ("transcriptNormalization", "denoiserConfig")
_FEATURES = ("enableWordTimeOffsets", "enableWordConfidence", "enableAutomaticPunctuation", "diarizationConfig")
_FEATURE_HINTS = ("enableSpokenPunctuation", "enableSpokenEmojis", "maxAlternatives")
_V1 = frozenset({*_SOUND, *_HINTS, *_FEATURES, *_FEATURE_HINTS, "languageCode", "speechContexts", "model"})
_V2 = frozenset(
    {"autoDecodingConfig", "explicitDecodingConfig", "model", "languageCodes", "features", "adaptation"}
    | {"translationConfig", *_HINTS_V2}
)


class GoogleRecognize(GoogleErrors):
    name = "google.recognize"
    operation: Operation = "transcription"
    takes_form = False
    own_fields = frozenset({WORDS, SPEAKERS})

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_message(inbound.body)
        check_known(fields, _TOP)
        fields.require("config")
        config = fields.object("config")
        assert config is not None
        return _v2(fields, config) if is_v2(inbound.head.path) else _v1(fields, config)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Recording)
        transcript, units = await heard(events)
        answer = v2_answer if is_v2(call.head.path) else v1_answer
        return Rendered(JSON, json.dumps(answer(call, transcript, units.audio_seconds or call.body.duration_s or 0.0)))


def is_v2(path: str) -> bool:
    return "/recognizers/" in path


def _v1(fields: Proto, config: Proto) -> Ask:
    check_known(config, _V1)
    audio = fields.object("audio")
    if audio is None:
        raise fields.error("audio", "is required")
    if audio.string("uri"):
        raise audio.error("uri", "is not read here; send the recording as 'audio.content'")
    check_known(audio, frozenset({"content"}))
    encoding = config.enum("encoding", V1_ENCODINGS) or V1_ENCODINGS[0]
    upload = _upload(audio, config, encoding)
    phrases = [phrase for context in config.objects("speechContexts") for phrase in context.strings("phrases")]
    extra = _hints(config, _HINTS, "config.") | _features(config, "config.")
    return _ask(config, audio, upload, config.required_string("languageCode"), phrases, extra)


def _v2(fields: Proto, config: Proto) -> Ask:
    check_known(config, _V2)
    features = config.object("features") or Proto({}, config.path("features"))
    check_known(features, frozenset({*_FEATURES, *_FEATURE_HINTS, "customPromptConfig"}))
    explicit = config.object("explicitDecodingConfig") or Proto({}, config.path("explicitDecodingConfig"))
    check_known(explicit, frozenset(_SOUND))
    upload = _upload(fields, explicit, explicit.enum("encoding", V2_ENCODINGS) or V2_ENCODINGS[0])
    languages = config.strings("languageCodes")
    prompt = features.object("customPromptConfig")
    phrases = [*_inline_phrases(config), *([prompt.string("customPrompt") or ""] if prompt is not None else [])]
    extra = _hints(config, _HINTS_V2, "config.") | _features(features, "config.features.")
    if len(languages) > 1:
        extra["config.languageCodes"] = languages[1:]
    is_translation = _is_translation(config)
    language = languages[0] if languages else AUTO
    return _ask(config, fields, upload, language, phrases, extra, is_translation=is_translation)


def _ask(
    config: Proto,
    place: Proto,
    upload: Upload,
    language: str,
    phrases: list[str],
    extra: dict[str, Any],
    *,
    is_translation: bool = False,
) -> Ask:
    try:
        facts = probe(upload.file)
    except Unreadable as error:
        raise place.error("content", str(error)) from error
    recording = Recording(
        audio=upload,
        container=facts.container,
        duration_s=facts.duration_s,
        language=None if language == AUTO else language,
        prompt=", ".join(phrase for phrase in phrases if phrase) or None,
        format="diarized_json" if extra[SPEAKERS] else "json",
        is_translation=is_translation,
        sound=facts.sound,
        extra=extra,
    )
    return Ask(config.string("model") or "", recording, wish="config.model")


def _upload(place: Proto, sound: Proto, encoding: str) -> Upload:
    """Return the recording that stands in `content`, with a header where it has none."""
    if encoding in _UNREADABLE:
        raise sound.error("encoding", f"{encoding} is not read here")
    rate_hz = sound.integer("sampleRateHertz", 0, MAX_RATE_HZ)
    channels = sound.integer("audioChannelCount", 0, MAX_CHANNELS) or 1
    place.require("content")
    try:
        data = base64.b64decode(place.base64("content"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise place.error("content", "must be base64") from error
    if encoding not in _HEADERLESS or data[:4] == b"RIFF":
        return upload_of(data)
    if not rate_hz:
        raise sound.error("sampleRateHertz", f"is required with {encoding}")
    return recording_of(data, ENCODINGS[encoding.lower()], rate_hz, channels)


def _hints(config: Proto, names: tuple[str, ...], path: str) -> dict[str, Any]:
    return {path + name: config.raw[name] for name in names if config.raw.get(name)}


def _features(features: Proto, path: str) -> dict[str, Any]:
    """Return what the answer has to hold, and the hints."""
    found = _hints(features, _FEATURE_HINTS, path)
    most = features.integer("maxAlternatives", 0, 30)
    if most is not None and most <= 1:
        found.pop(f"{path}maxAlternatives", None)
    speakers = features.object("diarizationConfig")
    is_v1 = speakers is not None and "enableSpeakerDiarization" in speakers.raw
    has_speakers = speakers is not None and (
        speakers.boolean("enableSpeakerDiarization") if is_v1 else bool(speakers.raw)
    )
    has_words = features.boolean("enableWordTimeOffsets") or features.boolean("enableWordConfidence")
    return found | {WORDS: bool(has_words), SPEAKERS: bool(has_speakers)}


def _inline_phrases(config: Proto) -> list[str]:
    adaptation = config.object("adaptation")
    if adaptation is None:
        return []
    phrases: list[str] = []
    for place in adaptation.objects("phraseSets"):
        inline = place.object("inlinePhraseSet")
        if inline is None:
            raise place.error("inlinePhraseSet", "is required: sets that are kept at Google are for Google alone")
        phrases += [phrase.required_string("value") for phrase in inline.objects("phrases")]
    return phrases


def _is_translation(config: Proto) -> bool:
    translation = config.object("translationConfig")
    if translation is None:
        return False
    target = translation.required_string("targetLanguage")
    if target.replace("_", "-").lower().partition("-")[0] != "en":
        raise translation.error("targetLanguage", "must be English; nothing is translated into others here")
    return True

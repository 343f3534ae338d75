"""Voices on this machine: espeak-ng out of the wheel espeakng-loader, in subprocesses, without a key or a network.

It sounds like the formant synthesiser it is, speaks a hundred languages, and starts within milliseconds. wav and pcm
need nothing else; mp3, opus, aac and flac need PyAV. What runs in the subprocess is _local_tts_worker.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Container, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

from gateway import json
from gateway.audio.sniff import content_type
from gateway.errors import GatewayError, InvalidRequest, UpstreamMalformed, UpstreamUnavailable
from gateway.plugin import Inline, Worker
from gateway.types import (
    AudioChunk,
    AudioFormat,
    Call,
    Done,
    Event,
    Operation,
    Speech,
    Target,
    Units,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    VoiceFact,
)

HINT = "pip install 'ai-service-gateway[local]'"
DEFAULT_RATE_HZ = 24_000  # OpenAI's pcm, which says no rate
MIN_SPEED, MAX_SPEED = 0.25, 4.0  # what OpenAI's API allows; espeak-ng can do all of it

_ANY_RATE = range(8_000, 48_001)
RATES_HZ: Mapping[str, Container[int]] = {
    "wav": _ANY_RATE,
    "pcm": _ANY_RATE,
    "flac": _ANY_RATE,
    "mp3": frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000}),
    "aac": frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000}),
    "opus": frozenset({8_000, 12_000, 16_000, 24_000, 48_000}),
}
PLAIN_FORMATS = frozenset({"wav", "pcm"})

# What espeak-ng 1.52 speaks of natural, living languages, by its own codes. It calls British English "en" and the
# French of France "fr", and does not know them as en-gb and fr-fr; Faroese lacks its dictionary in this wheel.
_CODES = """
    af am an ar as az ba be bg bn bs ca cmn cs cv cy da de el en en-029 en-gb-scotland en-us eo es es-419 et eu fa fi fr
    fr-be fr-ch ga gd gn gu hak haw he hi hr ht hu hy ia id is it ja ka kk kl kn ko kok ku ky la lb lt lv mi mk ml mr ms
    mt my nb ne nl om or pa pap pl pt pt-br qu ro ru sd shn si sk sl sq sr sv sw ta te th ti tk tn tr tt ug uk ur uz vi
    yue
"""
LANGUAGES = frozenset(_CODES.split())
_SYNONYMS = {"en-gb": "en", "fr-fr": "fr", "zh": "cmn", "zh-hk": "yue", "no": "nb", "iw": "he"}

# OpenAI's thirteen, each a different variant: high or low as OpenAI's own are, and no more alike than that. alloy and
# nova, the ones most used, have the two voices that a recogniser understands best.
_OPENAI_VOICES = {
    "alloy": "en-us+klatt4",
    "ash": "en-us+m3",
    "ballad": "en+m7",
    "cedar": "en-us+Michael",
    "coral": "en-us+f4",
    "echo": "en-us+m1",
    "fable": "en+f3",
    "marin": "en-us+Annie",
    "nova": "en-us+f5",
    "onyx": "en-us+m2",
    "sage": "en-us+f1",
    "shimmer": "en-us+f3",
    "verse": "en-us+m6",
}
_NATIVE_VOICE = re.compile(r"([a-z]{2,3}(?:-[a-z0-9]+)*)(\+[A-Za-z0-9]{1,20})?")
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # a NUL would end the text; the others are silent or worse


def _fact(voice: str) -> VoiceFact:
    """Return what espeak-ng's own name of a voice says: "en" is British; a variant f3 is a woman's, m3 a man's."""
    code, _, variant = voice.partition("+")
    gender = {"f": "female", "m": "male"}.get(variant[:1]) if variant[1:].isdigit() else None
    return VoiceFact("en-GB" if code == "en" else code, cast(Literal["female", "male"] | None, gender))


class LocalTts:
    """See gateway/plugin.py. `has_codecs`: whether PyAV is there."""

    options_schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "workers": {
                "type": "integer",
                "minimum": 1,
                "maximum": 64,
                "default": 1,
                "description": "Subprocesses, each of which speaks one text at a time; 40 MB of memory each",
            }
        },
        "additionalProperties": False,
    }
    credentials: tuple[str, ...] = ()
    default_base_url = "local:"
    backend: Inline | Worker | None = Worker(
        str(Path(__file__).with_name("_local_tts_worker.py")), ("espeakng_loader",), HINT
    )
    lacks = frozenset({"instructions"})
    wire: Mapping[Operation, str] = {}
    default_voices: Mapping[str, str] = {
        **{language: language for language in sorted(LANGUAGES)},
        "en-gb": "en",
        "fr-fr": "fr",
        **_OPENAI_VOICES,
        "man": "en-us",
        "woman": "en-us+f5",
        "whisper": "en-us+whisper",
        "robot": "en-us+UniRobot",
    }

    short_names: frozenset[str] = frozenset({"en-gb", "fr-fr"})  # what espeak-ng calls en and fr
    voice_facts: Mapping[str, VoiceFact] = {voice: _fact(voice) for voice in sorted(set(default_voices.values()))}

    def __init__(self, *, has_codecs: bool) -> None:
        self.formats = frozenset(RATES_HZ) if has_codecs else PLAIN_FORMATS

    def operations(self) -> frozenset[Operation]:
        return frozenset({"speech"})

    def refusal(self, call: Call, target: Target) -> str | None:
        speech = call.body
        if not isinstance(speech, Speech):
            return "speaks, and does nothing else"
        if speech.format not in RATES_HZ:
            return f"has no format {speech.format}; it has {', '.join(sorted(self.formats))}"
        if speech.format not in self.formats:
            return f"needs PyAV for format {speech.format} ({HINT}); without it has {', '.join(sorted(self.formats))}"
        if (speech.sample_rate_hz or DEFAULT_RATE_HZ) not in RATES_HZ[speech.format]:
            return f"has no {speech.format} at {speech.sample_rate_hz} Hz"
        if not MIN_SPEED <= speech.speed <= MAX_SPEED:
            return f"speaks at {MIN_SPEED:g} to {MAX_SPEED:g} times its speed, not at {speech.speed:g}"
        if _voice(speech, target) is None:
            wanted = f" in {speech.language}" if speech.language else ""
            return f"has no voice '{speech.voice}'{wanted}"
        return None

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        """Translate for _local_tts_worker.work. Raises InvalidRequest where `refusal` would have said why."""
        speech = call.body
        reason = self.refusal(call, target)
        if reason is not None or not isinstance(speech, Speech):
            raise InvalidRequest(f"{target.name} {reason}")
        wish = {
            "text": _speakable(speech.text),
            "voice": _voice(speech, target),
            "speed": speech.speed,
            "is_ssml": speech.is_ssml,
            "format": speech.format,
            "sample_rate_hz": speech.sample_rate_hz or DEFAULT_RATE_HZ,
        }
        return UpstreamRequest("POST", "local:/speak", {"content-type": "application/json"}, json.dumps(wish))

    async def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        """The worker's clean end is the end mark: chunks raise UpstreamCut without it."""
        speech = call.body
        assert isinstance(speech, Speech)
        rate_hz = int(response.headers["x-sample-rate"])
        audio_format: AudioFormat | None = AudioFormat(speech.format, content_type(speech.format, rate_hz), rate_hz)
        async for chunk in response.chunks:
            yield AudioChunk(chunk, audio_format)
            audio_format = None
        if audio_format is not None:
            raise UpstreamMalformed("the local voice made no sound")
        yield Usage(Units(characters=len(speech.text)))
        yield Done()

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """The worker's error frame, as gateway/upstream/workers.py writes it."""
        error = json.loads(body)["error"]
        if status < 500:
            return InvalidRequest(error["message"], param=error["param"])
        return UpstreamUnavailable(f"the local voice failed: {error['message']}")

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        return request


def _voice(speech: Speech, target: Target) -> str | None:
    """Return espeak-ng's voice: of the language that was asked for, with the variant of the voice that was."""
    name = target.voice_for(speech.voice) or speech.voice
    native = _NATIVE_VOICE.fullmatch(name)
    if native is None:
        return None
    language = _language(native[1])
    if language is None:
        return None
    if speech.language and speech.language.lower() != language.partition("-")[0]:  # "en" is content with en-us
        language = _language(speech.language)
    return f"{language}{native[2] or ''}" if language else None


def _language(tag: str) -> str | None:
    """Return espeak-ng's code for a BCP-47 tag, without its region where it has none for that."""
    lowered = tag.lower().replace("_", "-")
    for code in (lowered, lowered.partition("-")[0]):
        found = _SYNONYMS.get(code, code)
        if found in LANGUAGES:
            return found
    return None


def _speakable(text: str) -> str:
    """Half a surrogate pair cannot be sent on; control characters mean nothing to a voice."""
    return _UNSPEAKABLE.sub(" ", text.encode("utf-8", "replace").decode())


PLUGIN = LocalTts(has_codecs=find_spec("av") is not None)

"""ElevenLabs' text to speech: `POST /v1/text-to-speech/{voice_id}` and the same with `/stream` behind it.

Wire format: vendors.md 8, elevenlabs 2.78.0, 2026-11-23. Both answers are sent as the sound comes. What comes with the
times of its characters (`/with-timestamps`) is refused: nobody else says when which is spoken. Of mp3 and opus the rate
and the bit rate are the provider's own, which the sound itself says; of the others the rate is the one asked for.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import unquote

from gateway.audio import ssml
from gateway.dialects.elevenlabs_errors import ElevenLabsErrors
from gateway.dialects.fields import Fields
from gateway.dialects.native import read_fields
from gateway.dialects.voicing import LAW, begun, law_of, streamed, text_of
from gateway.errors import InvalidRequest, NotFound
from gateway.types import Ask, Call, Event, Head, Inbound, Operation, Rendered, Speech

DEFAULT_FORMAT = "mp3_44100_128"

_OUTPUT = re.compile(r"(mp3|opus|pcm|wav|ulaw|alaw)_(\d{4,5})(?:_\d{2,3})?", re.ASCII)
_LAWS: Mapping[str, str] = {"ulaw": "mulaw", "alaw": "alaw"}
_SAY_THEIR_RATE = ("mp3", "opus")
_HINTS = (
    *("pronunciation_dictionary_locators", "seed", "previous_text", "next_text", "previous_request_ids"),
    *("next_request_ids", "use_pvc_as_ivc", "apply_text_normalization", "apply_language_text_normalization"),
)
_FIELDS = ("text", "model_id", "language_code", "voice_settings", "audio_effects", *_HINTS)
_SETTINGS = ("stability", "similarity_boost", "style", "use_speaker_boost")
_QUERY = ("output_format", "optimize_streaming_latency", "enable_logging", "key")


class ElevenLabsTts(ElevenLabsErrors):
    name = "elevenlabs.tts"
    operation: Operation = "speech"
    takes_form = False
    own_fields = frozenset({LAW})

    def decode(self, inbound: Inbound) -> Ask:
        voice = _voice(inbound.head)
        query = inbound.head.query
        for name in query:
            if name not in _QUERY:
                raise InvalidRequest(f"{name[:60]!r} is not known here", param=name[:60])
        fields = read_fields(inbound.body, _FIELDS)
        if fields.raw.get("audio_effects"):
            raise fields.error("audio_effects", "are not made here; leave them out")
        settings = fields.object("voice_settings") or Fields({}, "voice_settings")
        speed = settings.number("speed", 0.25, 4.0)
        name, rate_hz = _format(query.get("output_format") or DEFAULT_FORMAT)
        text = text_of(fields, "text")
        speech = Speech(
            text=text,
            voice=voice,
            format="pcm" if name in _LAWS else name,
            speed=1.0 if speed is None else speed,
            language=fields.string("language_code"),
            sample_rate_hz=None if name in _SAY_THEIR_RATE else rate_hz,
            extra=_extra(fields, settings, query) | ({LAW: _LAWS[name]} if name in _LAWS else {}),
        )
        return Ask(fields.string("model_id") or "", speech, stream=True, wish="model_id")

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Speech)
        first, form = await begun(events)
        law = law_of(call)
        content_type = "audio/basic" if law == "mulaw" else "audio/x-alaw-basic" if law else form.content_type
        headers = {"request-id": call.id, "character-cost": str(len(ssml.speakable(call.body.text)))}
        return Rendered(content_type, streamed(first, events, law), headers=headers)


def _voice(head: Head) -> str:
    """Return the voice that the path names. The last placeholder of a path takes what is behind it, too."""
    voice, _, way = unquote(head.params.get("voice", ""), errors="replace").partition("/")
    if way in ("with-timestamps", "stream/with-timestamps"):
        raise InvalidRequest(
            "'with-timestamps' is not to be had here: the times of characters come from ElevenLabs alone; "
            "ask without them",
            param="with-timestamps",
        )
    if way not in ("", "stream"):
        raise NotFound(f"there is no {head.path[:200]!r} here")
    return voice


def _format(output_format: str) -> tuple[str, int]:
    found = _OUTPUT.fullmatch(output_format)
    if found is None or not 8_000 <= int(found[2]) <= 48_000:
        raise InvalidRequest(
            f"'output_format' must be codec_rate_bitrate, such as {DEFAULT_FORMAT}, pcm_24000 or ulaw_8000; "
            f"it is {output_format[:60]!r}",
            param="output_format",
        )
    return found[1], int(found[2])


def _extra(fields: Fields, settings: Fields, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what says how it is to be spoken, and nobody is sent."""
    for name in settings.raw:
        if name not in (*_SETTINGS, "speed"):
            raise settings.error(name[:60], "is not a setting of a voice")
    extra = {name: fields.raw[name] for name in _HINTS if fields.raw.get(name) not in (None, [], "", "auto")}
    extra |= {f"voice_settings.{name}": settings.raw[name] for name in _SETTINGS if settings.raw.get(name) is not None}
    if query.get("optimize_streaming_latency", "0") != "0":
        extra["optimize_streaming_latency"] = query["optimize_streaming_latency"]
    if query.get("enable_logging", "true").lower() == "false":
        raise InvalidRequest(
            "'enable_logging' cannot be switched off here: what providers keep is the operator's to settle",
            param="enable_logging",
        )
    return extra

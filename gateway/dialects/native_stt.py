"""`POST /stt/transcribe`: a recording goes in as multipart/form-data, its text comes out.

   file or audio, model?, provider?, language?, prompt?, temperature?
-> {success, text, language, provider, response_time_ms, cost_usd, metadata: {model, duration_s, segments?, words?, …}}
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.config.names import unknown
from gateway.dialects.heard import heard
from gateway.dialects.native import JSON, Native, answer
from gateway.dialects.recording import URL_FIELD, read_audio, read_temperature, read_values
from gateway.errors import InvalidRequest
from gateway.types import (
    Ask,
    Call,
    Event,
    Inbound,
    Operation,
    Recording,
    Rendered,
    Segment,
    Word,
)

FILE_FIELDS = ("file", "audio")
_FIELDS = ("model", "provider", "language", "prompt", "temperature")


class NativeStt(Native):
    name = "native.stt"
    operation: Operation = "transcription"
    takes_form = True

    def decode(self, inbound: Inbound) -> Ask:
        fields, values = read_values(inbound)
        _check(inbound, values)
        audio, url, facts = read_audio(inbound, values, FILE_FIELDS)
        given = {name: texts[0] for name, texts in values.items()}
        recording = Recording(
            audio=audio,
            container=facts.container,
            duration_s=facts.duration_s,
            language=given.get("language") or None,
            prompt=given.get("prompt") or None,
            temperature=read_temperature(given.get("temperature") or None, 1),
            sound=facts.sound,
            url=url,
            fields=fields,
        )
        return Ask(given.get("model", ""), recording, provider=given.get("provider", ""))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Recording)
        transcript, units = await heard(events)
        result = {"text": transcript.text, "language": transcript.language or call.body.language}
        metadata = {
            "container": call.body.container,
            "duration_s": transcript.duration_s or units.audio_seconds or call.body.duration_s,
            "segments": _timed(transcript.segments),
            "words": _timed(transcript.words),
        }
        return Rendered(JSON, answer(call, result, metadata))


def _check(inbound: Inbound, values: Mapping[str, Sequence[str]]) -> None:
    """A typing mistake is told, not passed over."""
    for name, given in values.items():
        if name in FILE_FIELDS:
            raise InvalidRequest(f"'{name}' must be an uploaded file, with a filename; it is a text field", param=name)
        if name not in (*_FIELDS, URL_FIELD):
            hint = unknown(name[:60], (*_FIELDS, *FILE_FIELDS, URL_FIELD))
            raise InvalidRequest(f"{name[:60]!r} is not a field of this endpoint{hint}", param=name[:60])
        if len(given) > 1:
            raise InvalidRequest(f"'{name}' is given more than once", param=name)
    for name, _ in inbound.form.files if inbound.form is not None else ():
        if name not in FILE_FIELDS:
            raise InvalidRequest(
                f"{name[:60]!r} is not a file of this endpoint; send the audio as 'file'", param="file"
            )


def _timed(items: tuple[Segment, ...] | tuple[Word, ...]) -> list[dict[str, Any]] | None:
    """Return the segments or words without what is not known of them, None where there are none."""
    rows = [{key: value for key, value in asdict(item).items() if value is not None} for item in items]
    return rows or None

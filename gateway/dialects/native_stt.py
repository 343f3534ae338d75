"""`POST /stt/transcribe`: a recording goes in as multipart/form-data, its text comes out.

   file or audio, model?, provider?, language?, prompt?, temperature?
-> {success, text, language, provider, response_time_ms, cost_usd, metadata: {model, duration_s, segments?, words?, …}}
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

from gateway.audio.duration import duration_s
from gateway.audio.sniff import sniff
from gateway.config.names import unknown
from gateway.dialects.native import JSON, Native, answer
from gateway.errors import InvalidRequest, UpstreamCut
from gateway.types import (
    Ask,
    Call,
    Event,
    Form,
    Inbound,
    Operation,
    Recording,
    Rendered,
    Segment,
    Transcript,
    Upload,
    Word,
)
from gateway.types import Usage as UsageEvent

SNIFF_BYTES = 4096  # enough for every container's mark, ID3 tags in front of mp3 included
FILE_FIELDS = ("file", "audio")
_FIELDS = ("model", "provider", "language", "prompt", "temperature")


class NativeStt(Native):
    name = "native.stt"
    operation: Operation = "transcription"
    takes_form = True

    def decode(self, inbound: Inbound) -> Ask:
        assert inbound.form is not None
        values = _values(inbound.form)
        name, audio = _audio(inbound.form)
        container = sniff(audio.read(SNIFF_BYTES))
        if container is None:
            raise InvalidRequest(
                f"'{name}' ({audio.filename[:60]!r}) is not audio that is known here; "
                "send flac, mp3, mp4, ogg, wav or webm",
                param=name,
            )
        recording = Recording(
            audio=audio,
            container=container,
            duration_s=duration_s(audio.file),
            language=values.get("language") or None,
            prompt=values.get("prompt") or None,
            temperature=_temperature(values.get("temperature")),
            fields=inbound.form.fields,
        )
        return Ask(values.get("model", ""), recording, provider=values.get("provider", ""))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Recording)
        transcript: Transcript | None = None
        seconds = call.body.duration_s
        async for event in events:
            if isinstance(event, Transcript):
                transcript = event
            elif isinstance(event, UsageEvent) and event.units.audio_seconds:
                seconds = event.units.audio_seconds
        if transcript is None:
            raise UpstreamCut("the answer holds no transcript")
        result = {"text": transcript.text, "language": transcript.language or call.body.language}
        metadata = {
            "container": call.body.container,
            "duration_s": transcript.duration_s or seconds,
            "segments": _timed(transcript.segments),
            "words": _timed(transcript.words),
        }
        return Rendered(JSON, answer(call, result, metadata))


def _values(form: Form) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in form.fields:
        if name in FILE_FIELDS:
            raise InvalidRequest(f"'{name}' must be an uploaded file, with a filename; it is a text field", param=name)
        if name not in _FIELDS:
            hint = unknown(name[:60], (*_FIELDS, *FILE_FIELDS))
            raise InvalidRequest(f"{name[:60]!r} is not a field of this endpoint{hint}", param=name[:60])
        if name in values:
            raise InvalidRequest(f"'{name}' is given more than once", param=name)
        values[name] = value
    return values


def _audio(form: Form) -> tuple[str, Upload]:
    for name, _ in form.files:
        if name not in FILE_FIELDS:
            raise InvalidRequest(
                f"{name[:60]!r} is not a file of this endpoint; send the audio as 'file'", param="file"
            )
    if len(form.files) != 1:
        raise InvalidRequest(f"'file' must be one uploaded file; there are {len(form.files)}", param="file")
    name, upload = form.files[0]
    if upload.size_bytes == 0:
        raise InvalidRequest(f"'{name}' ({upload.filename[:60]!r}) is empty", param=name)
    return name, upload


def _temperature(text: str | None) -> float | None:
    if not text:
        return None
    try:
        temperature = float(text)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 1:
        raise InvalidRequest(f"'temperature' must be a number from 0 to 1; it is {text[:60]!r}", param="temperature")
    return temperature


def _timed(items: tuple[Segment, ...] | tuple[Word, ...]) -> list[dict[str, Any]] | None:
    """Return the segments or words without what is not known of them, None where there are none."""
    rows = [{key: value for key, value in asdict(item).items() if value is not None} for item in items]
    return rows or None

"""Write a transcript down in the formats of OpenAI's transcription API, whoever made it.

Source: openai-python 3.54 types/audio (transcription_verbose, transcription_segment, transcription_diarized), November
2026; SubRip as written by ffmpeg; WebVTT, W3C 4 April 2019. Text stays inside its cue: line breaks become spaces and an
arrow cannot start a new cue.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection, Mapping
from typing import Any, Literal

from gateway.audio.languages import english_name
from gateway.audio.segments import segments_of
from gateway.types import Segment, Transcript, TranscriptFormat

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"
SRT = "application/x-subrip; charset=utf-8"
VTT = "text/vtt; charset=utf-8"

_ARROW = "→"  # what "-->" becomes in srt, which has no escapes


def render(
    transcript: Transcript,
    output_format: TranscriptFormat,
    granularities: Collection[str] = (),
    *,
    task: Literal["transcribe", "translate"] = "transcribe",
) -> tuple[str, bytes]:
    """Return (Content-Type, body in UTF-8). `granularities` (word, segment; none means segment) is for verbose_json."""
    match output_format:
        case "text":
            return PLAIN, _encode(transcript.text + "\n")
        case "srt":
            return SRT, _encode(_srt(transcript))
        case "vtt":
            return VTT, _encode(_vtt(transcript))
        case "json":
            return JSON, _json({"text": transcript.text, **_usage(transcript)})
        case "verbose_json":
            return JSON, _json(_verbose(transcript, granularities, task))
        case "diarized_json":
            return JSON, _json(_diarized(transcript))


def diarized_segment(index: int, segment: Segment) -> dict[str, Any]:
    """Return a segment of diarized_json, which is an event of a stream as well."""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{index}",
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "speaker": segment.speaker or "unknown",  # the SDK's model requires a string
        "text": segment.text,
    }


def _verbose(transcript: Transcript, granularities: Collection[str], task: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": task,
        "language": english_name(transcript.language) or "unknown",  # the SDK's model requires a string
        "duration": _duration_s(transcript),
        "text": transcript.text,
    }
    if "segment" in granularities or not granularities:
        body["segments"] = [_segment(index, segment) for index, segment in enumerate(segments_of(transcript))]
    if "word" in granularities:
        body["words"] = [
            {"word": word.text, "start": _seconds(word.start_s), "end": _seconds(word.end_s)}
            for word in transcript.words
        ]
    return body | _usage(transcript)


def _segment(index: int, segment: Segment) -> Mapping[str, Any]:
    """Whisper's own figures have no source elsewhere, yet the SDK's model requires them: they say "nothing wrong"."""
    content = segment.text.encode("utf-8", "replace")
    sure = segment.confidence if segment.confidence and 0 < segment.confidence <= 1 else 1.0
    return {
        "id": index,
        "seek": 0,
        "start": _seconds(segment.start_s),
        "end": _seconds(segment.end_s),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(math.log(sure), 6),
        "compression_ratio": round(len(content) / len(zlib.compress(content)), 6) if content else 0.0,
        "no_speech_prob": 0.0,
    }


def _diarized(transcript: Transcript) -> dict[str, Any]:
    segments = [
        diarized_segment(index, segment) for index, segment in enumerate(segments_of(transcript, by_speaker=True))
    ]
    body = {"task": "transcribe", "duration": _duration_s(transcript), "text": transcript.text, "segments": segments}
    return body | _usage(transcript)


def _srt(transcript: Transcript) -> str:
    cues = [
        f"{index}\n{_span(segment, ',')}\n{_srt_line(segment.text)}\n"
        for index, segment in enumerate(segments_of(transcript), 1)
    ]
    return "\n".join(cues)


def _vtt(transcript: Transcript) -> str:
    cues = [f"{_span(segment, '.')}\n{_vtt_line(segment)}\n" for segment in segments_of(transcript)]
    return "\n".join(["WEBVTT\n", *cues])


def _srt_line(text: str) -> str:
    return _one_line(text).replace("-->", _ARROW)


def _vtt_line(segment: Segment) -> str:
    line = _escape(_one_line(segment.text))
    speaker = _escape(_one_line(segment.speaker)) if segment.speaker else ""
    return f"<v {speaker}>{line}" if speaker else line


def _one_line(text: str) -> str:
    """An empty line ends a cue, so every run of white space is one space; other control characters are dropped."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable() or ord(char) > 0x9F)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _span(segment: Segment, mark: str) -> str:
    """A cue's times; none ends before it starts."""
    return f"{_clock(segment.start_s, mark)} --> {_clock(max(segment.start_s, segment.end_s), mark)}"


def _clock(seconds: float, mark: str) -> str:
    total_ms = round(_seconds(seconds) * 1000)
    minutes, ms = divmod(total_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{mark}{ms % 1000:03}"


def _usage(transcript: Transcript) -> dict[str, Any]:
    if transcript.duration_s is None:
        return {}
    return {"usage": {"type": "duration", "seconds": _seconds(transcript.duration_s)}}


def _duration_s(transcript: Transcript) -> float:
    """The stated duration, else the end of the last thing that was heard."""
    if transcript.duration_s is not None:
        return _seconds(transcript.duration_s)
    ends_s = [segment.end_s for segment in transcript.segments] + [word.end_s for word in transcript.words]
    return _seconds(max(ends_s, default=0.0))


def _seconds(value: float) -> float:
    """JSON has no NaN and no infinity, and a recording no time before its start."""
    return round(max(0.0, float(value)), 6) if math.isfinite(value) else 0.0


def _json(value: Mapping[str, Any]) -> bytes:
    return _encode(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # half a surrogate pair has no bytes: it becomes "?"

"""What `recognize` answers in v1 and v2: consecutive results, each with its words (vendors.md 5, 2026-11-23).

Nothing heard is an answer without results. A time that is absent is 0 s, as protobuf's JSON leaves it out. With
speakers v1 repeats all words in its last result, and only there do they bear a speaker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.audio.segments import from_words
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import Done, Event, Recording, Segment, Transcript, Units, UpstreamResponse, Usage, Word

from .errors import object_error
from .languages import from_google

MAX_ANSWER_BYTES = 16_777_216  # a minute of speech is some 30 kB


async def parse(recording: Recording, response: UpstreamResponse) -> AsyncIterator[Event]:
    answer = _object(await read_all(response, MAX_ANSWER_BYTES))
    yield _transcript(answer, recording)
    billed = answer.get("totalBilledTime") or _field(answer, "metadata").get("totalBilledDuration")
    if billed:
        yield Usage(Units(audio_seconds=_seconds(billed)))
    else:
        yield Usage(Units(audio_seconds=recording.duration_s or 0.0), is_estimated=True)
    yield Done()


def _transcript(answer: dict[str, Any], recording: Recording) -> Transcript:
    segments: list[Segment] = []
    words: list[Word] = []
    end_s = 0.0
    language = recording.language
    for result in _list(answer, "results"):
        alternative = next(iter(_list(result, "alternatives")), {})
        heard = [_word(word) for word in _list(alternative, "words")]
        language = from_google(result.get("languageCode")) or language
        text = str(alternative.get("transcript", "")).strip()
        start_s, end_s = _span(result, heard, end_s)
        if text:
            segments.append(Segment(text, start_s, end_s, confidence=alternative.get("confidence")))
        words += heard
    text = " ".join(segment.text for segment in segments)
    spoken = [word for word in words if word.speaker is not None]
    if spoken:
        words, segments = spoken, list(from_words(spoken))
    if recording.is_translation:
        language = "en"
    return Transcript(text, language, recording.duration_s or end_s, tuple(segments), tuple(words))


def _span(result: dict[str, Any], words: list[Word], before_s: float) -> tuple[float, float]:
    ends = result.get("resultEndTime") or result.get("resultEndOffset")
    start_s = words[0].start_s if words else before_s
    end_s = words[-1].end_s if words else (_seconds(ends) if ends else before_s)
    return start_s, max(start_s, end_s)


def _word(word: dict[str, Any]) -> Word:
    speaker = word.get("speakerLabel") or word.get("speakerTag")
    return Word(
        text=str(word.get("word", "")),
        start_s=_seconds(word.get("startTime") or word.get("startOffset")),
        end_s=_seconds(word.get("endTime") or word.get("endOffset")),
        speaker=f"speaker_{speaker}" if speaker else None,
        confidence=word.get("confidence"),
    )


def _seconds(duration: Any) -> float:
    """Return "1.300s" as 1.3. Raises UpstreamMalformed."""
    if duration is None:
        return 0.0
    try:
        return float(str(duration).removesuffix("s"))
    except ValueError as error:
        raise UpstreamMalformed(f"the vendor gave a time of {str(duration)[:40]!r}") from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UpstreamCut("the vendor's answer is not JSON, or was cut") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed("the vendor's answer is not a JSON object")
    if value.get("error"):
        raise object_error(value["error"])
    return value


def _field(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _list(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    inner = value.get(name)
    return [item for item in inner if isinstance(item, dict)] if isinstance(inner, list) else []

"""What Google's recognize answers: one result a segment, the words where they were asked for, times as `1.300s`.

v1 repeats all words with their speakers in a last result, v2 names the speaker at each word (vendors.md 5, 2026-11-23).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.audio.segments import segments_of
from gateway.types import Call, Recording, Segment, Transcript, Word

WORDS, SPEAKERS = "words", "speakers"  # in `Recording.extra`: whether the answer is to hold them


def v1_answer(call: Call, transcript: Transcript, seconds: float) -> dict[str, Any]:
    recording = call.body
    assert isinstance(recording, Recording)
    results = _results(transcript, recording, ("startTime", "endTime", "resultEndTime"), {})
    tags = tags_of(word.speaker for word in transcript.words)
    if recording.extra[SPEAKERS] and tags:
        words = [
            _word(word, ("startTime", "endTime")) | {"speakerTag": tags[word.speaker]}
            for word in transcript.words
            if word.speaker is not None
        ]
        results.append({"alternatives": [{"words": words}]})
    answer: dict[str, Any] = {"results": results} if results else {}
    number = int.from_bytes(hashlib.sha256(call.id.encode(errors="replace")).digest()[:7], "big")
    return answer | {"totalBilledTime": f"{math.ceil(seconds)}s", "requestId": str(number)}


def v2_answer(call: Call, transcript: Transcript, seconds: float) -> dict[str, Any]:
    recording = call.body
    assert isinstance(recording, Recording)
    tags = tags_of(word.speaker for word in transcript.words) if recording.extra[SPEAKERS] else {}
    results = _results(transcript, recording, ("startOffset", "endOffset", "resultEndOffset"), tags)
    answer: dict[str, Any] = {"results": results} if results else {}
    return answer | {"metadata": {"requestId": call.id, "totalBilledDuration": f"{math.ceil(seconds)}s"}}


def tags_of(speakers: Iterable[str | None]) -> Mapping[str | None, int]:
    """Number speakers from 1 in the order in which they speak."""
    found = dict.fromkeys(speaker for speaker in speakers if speaker is not None)
    return {speaker: number for number, speaker in enumerate(found, start=1)}


def _results(
    transcript: Transcript, recording: Recording, names: tuple[str, str, str], tags: Mapping[str | None, int]
) -> list[dict[str, Any]]:
    segments = segments_of(transcript)
    language = recording.language or transcript.language
    has_words = recording.extra[WORDS] or bool(tags)
    results: list[dict[str, Any]] = []
    for number, segment in enumerate(segments):
        text = segment.text.strip()
        alternative: dict[str, Any] = {"transcript": f" {text}" if number else text}
        if segment.confidence is not None:
            alternative["confidence"] = segment.confidence
        if has_words:
            alternative["words"] = [
                _word(word, names[:2]) | ({"speakerLabel": str(tags[word.speaker])} if word.speaker in tags else {})
                for word in within(transcript.words, segments, number)
            ]
        result: dict[str, Any] = {"alternatives": [alternative], names[2]: _time(segment.end_s)}
        results.append(result | ({"languageCode": language} if language else {}))
    return results


def within(words: tuple[Word, ...], segments: tuple[Segment, ...], number: int) -> list[Word]:
    """Return the words that begin within a segment: before the next one does; the first has all that came before."""
    start_s = segments[number].start_s if number else -math.inf
    end_s = segments[number + 1].start_s if number + 1 < len(segments) else math.inf
    return [word for word in words if start_s <= word.start_s < end_s]


def _word(word: Word, names: tuple[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {names[0]: _time(word.start_s), names[1]: _time(word.end_s), "word": word.text}
    return found | ({"confidence": word.confidence} if word.confidence is not None else {})


def _time(seconds: float) -> str:
    return f"{seconds:.3f}s"

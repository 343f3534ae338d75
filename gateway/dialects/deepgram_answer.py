"""What Deepgram's listen answers: one channel with its words, and utterances and paragraphs where they were asked for.

A word stands there in small letters without its punctuation, and as it is written in `punctuated_word`. What a provider
does not say (how sure it is, when a word is spoken) is left out (vendors.md 7, deepgram-sdk 7.17.0, 2026-11-23).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.audio.segments import segments_of
from gateway.dialects.google_recognize_answer import tags_of, within
from gateway.types import Call, Recording, Segment, Transcript, Word

SPEAKERS, UTTERANCES, PARAGRAPHS = "speakers", "utterances", "paragraphs"  # in `Recording.extra`

_PUNCTUATION = ".,;:!?…\"'“”‘’«»()[]{}¿¡。、！？"
_MODELS = uuid.UUID("d7b8a4c5-6d9e-4c1e-9a43-4a0e63a4c0f1")  # the space of ids that are made of models' names


def answer(call: Call, transcript: Transcript, duration_s: float, digest: str) -> dict[str, Any]:
    """Return the answer; `digest` is the recording's SHA-256, "" where only its address is known."""
    recording = call.body
    assert isinstance(recording, Recording)
    wanted = recording.extra
    speakers = tags_of(word.speaker for word in transcript.words) if wanted[SPEAKERS] else {}
    segments = segments_of(transcript, by_speaker=wanted[SPEAKERS])
    best: dict[str, Any] = {"transcript": transcript.text}
    sure = [word.confidence for word in transcript.words if word.confidence is not None]
    if sure:
        best["confidence"] = sum(sure) / len(sure)
    best["words"] = [_word(word, speakers) for word in transcript.words]
    if wanted[PARAGRAPHS]:
        best["paragraphs"] = _paragraphs(segments, transcript.words, speakers)
    channel: dict[str, Any] = {"alternatives": [best]}
    if recording.language is None and transcript.language is not None:
        channel["detected_language"] = transcript.language
    results: dict[str, Any] = {"channels": [channel]}
    if wanted[UTTERANCES]:
        results["utterances"] = [
            _utterance(call, number, segments, transcript.words, speakers) for number in range(len(segments))
        ]
    return {"metadata": _metadata(call, duration_s) | {"sha256": digest}, "results": results}


def _metadata(call: Call, duration_s: float) -> dict[str, Any]:
    last = call.receipt.last
    model = last.target if last is not None else call.model
    number = str(uuid.uuid5(_MODELS, model))
    return {
        "transaction_key": "deprecated",
        "request_id": call.id,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "duration": duration_s,
        "channels": 1,
        "models": [number],
        "model_info": {number: {"name": model, "version": "1", "arch": model.partition("/")[2]}},
    }


def _word(word: Word, speakers: Mapping[str | None, int]) -> dict[str, Any]:
    text = word.text.strip()
    found: dict[str, Any] = {"word": text.strip(_PUNCTUATION).lower() or text, "start": word.start_s, "end": word.end_s}
    if word.confidence is not None:
        found["confidence"] = word.confidence
    found["punctuated_word"] = text
    return found | _speaker(word.speaker, speakers)


def _speaker(speaker: str | None, speakers: Mapping[str | None, int]) -> dict[str, int]:
    """Speakers are numbers from 0."""
    return {"speaker": speakers[speaker] - 1} if speaker in speakers else {}


def _utterance(
    call: Call, number: int, segments: tuple[Segment, ...], words: tuple[Word, ...], speakers: Mapping[str | None, int]
) -> dict[str, Any]:
    segment, inner = segments[number], within(words, segments, number)
    found: dict[str, Any] = {"start": segment.start_s, "end": segment.end_s}
    if segment.confidence is not None:
        found["confidence"] = segment.confidence
    found |= {"channel": 0, "transcript": segment.text.strip(), "words": [_word(word, speakers) for word in inner]}
    found |= _speaker(segment.speaker, speakers)
    return found | {"id": str(uuid.uuid5(_MODELS, f"{call.id}/{number}"))}


def _paragraphs(
    segments: tuple[Segment, ...], words: tuple[Word, ...], speakers: Mapping[str | None, int]
) -> dict[str, Any]:
    """Return the sentences of each speaker's turn as a paragraph."""
    paragraphs: list[dict[str, Any]] = []
    turn: str | None = None
    for number, segment in enumerate(segments):
        speaker = segment.speaker if segment.speaker in speakers else None
        if not paragraphs or speaker != turn:
            paragraphs.append(
                {"sentences": [], "num_words": 0, "start": segment.start_s, **_speaker(speaker, speakers)}
            )
        turn, last = speaker, paragraphs[-1]
        last["sentences"].append({"text": segment.text.strip(), "start": segment.start_s, "end": segment.end_s})
        last["num_words"] += len(within(words, segments, number)) or len(segment.text.split())
        last["end"] = segment.end_s
    text = "\n\n".join(" ".join(sentence["text"] for sentence in each["sentences"]) for each in paragraphs)
    return {"transcript": f"\n{text}", "paragraphs": paragraphs}

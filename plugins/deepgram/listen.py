"""Speech to text: `POST /v1/listen?model=…` (vendors.md 7, from deepgram-sdk 7.17.0 on 2026-11-23).

All options are in the query, the recording is the body as it came, or `{"url"}` for one that Deepgram shall fetch. It
detects containers by itself. Billed is the recording's length times its channels.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from gateway import json
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import (
    Call,
    Done,
    Event,
    Recording,
    Segment,
    Target,
    Transcript,
    Units,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    Word,
)

MAX_ANSWER_BYTES = 134_217_728  # of a day's recording with its words twice
MAX_KEYTERMS = 100  # as of Deepgram's page; they are weighed against each other, so that more would not help
_KEYTERM_MODELS = ("nova-3", "flux")
_MULTILINGUAL = "multi"


def refusal(call: Call, target: Target) -> str | None:
    """Return why Deepgram cannot write this down."""
    recording = call.body
    assert isinstance(recording, Recording)
    if recording.is_translation:
        return "does not translate"
    if recording.temperature and (target.model.drop or target.provider.drop) == "reject":
        return "takes no temperature (drop: reject); leave it out"
    return None


def build(call: Call, target: Target) -> UpstreamRequest:
    recording = call.body
    assert isinstance(recording, Recording)
    url = f"{target.provider.base_url}/v1/listen?{urlencode(_query(recording, target))}"
    headers = {"accept": "application/json"}
    if recording.url is not None:
        headers["content-type"] = "application/json"
        return UpstreamRequest("POST", url, headers, json.dumps({"url": recording.url}))
    headers["content-type"] = "application/octet-stream"
    return UpstreamRequest("POST", url, headers, upload=recording.audio)


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    recording = call.body
    assert isinstance(recording, Recording)
    answer = _object(await read_all(response, MAX_ANSWER_BYTES))
    metadata, results = answer.get("metadata"), answer.get("results")
    if not isinstance(metadata, dict) or not isinstance(results, dict):
        raise UpstreamMalformed("the vendor's answer lacks metadata or results")
    duration_s = _seconds(metadata.get("duration"))
    yield _transcript(results, duration_s, recording)
    channels = metadata.get("channels")
    billed_s = duration_s * (channels if isinstance(channels, int) and channels > 0 else 1)
    yield Usage(Units(audio_seconds=billed_s))
    yield Done()


def _query(recording: Recording, target: Target) -> list[tuple[str, str]]:
    query = [("model", target.model.name), ("smart_format", "true"), ("punctuate", "true"), ("utterances", "true")]
    if recording.format == "diarized_json":
        query.append(("diarize_model", "latest"))
    if recording.language is None:
        query.append(("detect_language", "true"))
    else:
        query.append(("language", recording.language.replace("_", "-")))
    if recording.prompt and target.model.name.startswith(_KEYTERM_MODELS):
        terms = [term.strip() for term in re.split(r"[,;\n]", recording.prompt)]
        query += [("keyterm", term) for term in terms if term][:MAX_KEYTERMS]
    return query


def _transcript(results: dict[str, Any], duration_s: float, recording: Recording) -> Transcript:
    """Join the channels: the text of each after the other, what has times in order of time."""
    texts: list[str] = []
    words: list[Word] = []
    language = recording.language
    for channel in _list(results, "channels"):
        best = next(iter(_list(channel, "alternatives")), {})
        text = str(best.get("transcript", "")).strip()
        texts += [text] if text else []
        words += [_word(word) for word in _list(best, "words")]
        detected = channel.get("detected_language")
        language = detected if isinstance(detected, str) else language
    segments = [_segment(utterance) for utterance in _list(results, "utterances")]
    language = None if language == _MULTILINGUAL else language
    return Transcript(
        text=" ".join(texts),
        language=language,
        duration_s=duration_s,
        segments=tuple(sorted(segments, key=lambda segment: segment.start_s)),
        words=tuple(sorted(words, key=lambda word: word.start_s)),
    )


def _word(word: dict[str, Any]) -> Word:
    return Word(
        text=str(word.get("punctuated_word") or word.get("word", "")),
        start_s=_seconds(word.get("start")),
        end_s=_seconds(word.get("end")),
        speaker=_speaker(word),
        confidence=word.get("confidence"),
    )


def _segment(utterance: dict[str, Any]) -> Segment:
    return Segment(
        text=str(utterance.get("transcript", "")).strip(),
        start_s=_seconds(utterance.get("start")),
        end_s=_seconds(utterance.get("end")),
        speaker=_speaker(utterance),
        confidence=utterance.get("confidence"),
    )


def _speaker(item: dict[str, Any]) -> str | None:
    """Speakers are numbers from 0."""
    speaker = item.get("speaker")
    return None if speaker is None else f"speaker_{speaker:g}" if isinstance(speaker, int | float) else str(speaker)


def _seconds(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UpstreamMalformed(f"the vendor gave a time of {str(value)[:40]!r}")
    return float(value)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UpstreamCut("the vendor's answer is not JSON, or was cut") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed("the vendor's answer is not a JSON object")
    return value


def _list(value: dict[str, Any], name: str) -> list[dict[str, Any]]:
    inner = value.get(name)
    return [item for item in inner if isinstance(item, dict)] if isinstance(inner, list) else []

"""POST /v1/listen: names and values of the query out of deepgram-sdk 7.17.0, the recording really decoded.

The body is the recording, or `{"url"}`, which is never fetched here: what it names is heard as its own address.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from deepgram.listen.v1.media.raw_client import RawMediaClient

from tests.vendors import fern
from tests.vendors.answers import Answer
from tests.vendors.deepgram.errors import JSON_HEADERS, Refusal
from tests.vendors.heard import Heard, HeardWord, listen
from tests.vendors.recording import RequestRecord
from tests.vendors.recordings import UnreadableAudio

MAX_BYTES = 2 * 1024**3
DEFAULT_MODEL = "base-general"
REPEATED = frozenset({"keyterm", "keywords", "redact", "replace", "search", "tag", "extra", "custom_topic"})
MODELS = re.compile(r"(nova-3|nova-2|nova|enhanced|base|whisper)(-[a-z]+)?")
KEYTERM_MODELS = ("nova-3",)


def listen_answer(record: RequestRecord) -> Answer:
    """Return the transcript; raises Refusal."""
    query = _query(record)
    record.model = query.get("model", [DEFAULT_MODEL])[0]
    _check(query, record.model)
    heard = _heard(record)
    language = query.get("language", ["en"])[0]
    body = {
        "metadata": {
            "transaction_key": "deprecated",
            "request_id": f"00000000-0000-0000-0000-{record.number:012d}",
            "sha256": hashlib.sha256(record.body).hexdigest(),
            "created": "2026-11-23T00:00:00.000Z",
            "duration": heard.duration_s,
            "channels": heard.channels,
            "models": ["00000000-0000-0000-0000-000000000001"],
            "model_info": {
                "00000000-0000-0000-0000-000000000001": {"name": record.model, "version": "1", "arch": "nova-3"}
            },
        },
        "results": _results(heard, query, language),
    }
    return Answer(200, JSON_HEADERS, (json.dumps(body).encode(),))


@cache
def _rules() -> Mapping[str, Any]:
    return fern.known(RawMediaClient.transcribe_file)


def _query(record: RequestRecord) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(record.target.partition("?")[2], keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


def _check(query: Mapping[str, Sequence[str]], model: str) -> None:
    for name, values in query.items():
        if len(values) > 1 and name not in REPEATED:
            raise Refusal(f"The query parameter {name} stands twice.")
        for value in values:
            if fault := fern.query_fault(_rules(), {name: value}):
                raise Refusal(fault)
    if not MODELS.fullmatch(model):
        raise Refusal("Bad Request: No such model/language/tier combination found.")
    if "keyterm" in query and not model.startswith(KEYTERM_MODELS):
        raise Refusal("Bad Request: Keyterms are only supported by Nova-3 models.")
    if "language" in query and query.get("detect_language", ["false"])[0] != "false":
        raise Refusal("Bad Request: language and detect_language exclude each other.")
    if "encoding" in query:
        raise Refusal("Bad Request: encoding is for raw audio only, and this simulator reads containers only.")


def _heard(record: RequestRecord) -> Heard:
    kind = (record.header("content-type") or "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _fetched(record)
    if not record.body:
        raise Refusal("Bad Request: the request body is empty.")
    if len(record.body) > MAX_BYTES:
        raise Refusal("The file is larger than 2 GB.", 413)
    try:
        return listen(record.body, "deepgram")
    except UnreadableAudio as error:
        raise Refusal(f"Bad Request: failed to process audio: corrupt or unsupported data ({error})") from error


def _fetched(record: RequestRecord) -> Heard:
    try:
        body = record.json()
    except ValueError as error:
        raise Refusal("Bad Request: the body is not JSON.") from error
    if not isinstance(body, dict) or set(body) != {"url"} or not str(body["url"]).startswith(("http://", "https://")):
        raise Refusal("Bad Request: the body has to be an object with url, and with nothing else.")
    return Heard("mp3", "mp3float", 1.0, 24_000, 1, (HeardWord(body["url"], 0.0, 1.0, 0),))


def _results(heard: Heard, query: Mapping[str, Sequence[str]], language: str) -> dict[str, Any]:
    is_diarized = "diarize_model" in query or query.get("diarize") == ["true"]
    is_smart = "true" in (*query.get("punctuate", ()), *query.get("smart_format", ()))
    words = [_word(word, is_diarized=is_diarized, is_smart=is_smart) for word in heard.words]
    text = heard.text if is_smart else " ".join(map(_plain, (word.text for word in heard.words)))
    channel: dict[str, Any] = {"alternatives": [{"transcript": text, "confidence": 0.99, "words": words}]}
    if query.get("detect_language") == ["true"]:
        channel |= {"detected_language": "en", "language_confidence": 0.98}
    results: dict[str, Any] = {"channels": [channel]}
    if query.get("utterances") == ["true"]:
        results["utterances"] = [
            {
                "start": turn[0].start_s,
                "end": turn[-1].end_s,
                "confidence": 0.99,
                "channel": 0,
                "transcript": " ".join(word.text for word in turn),
                "words": words[turn[0].turn * len(turn) : turn[0].turn * len(turn) + len(turn)],
                "speaker": turn[0].turn % 2 if is_diarized else None,
                "id": f"00000000-0000-0000-0000-{number:012d}",
            }
            for number, turn in enumerate(heard.turns)
        ]
    return results


def _word(word: HeardWord, *, is_diarized: bool, is_smart: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"word": _plain(word.text), "start": word.start_s, "end": word.end_s, "confidence": 0.99}
    if is_smart:
        found["punctuated_word"] = word.text
    if is_diarized:
        found |= {"speaker": word.turn % 2, "speaker_confidence": 0.9}
    return found


def _plain(text: str) -> str:
    return text.lower().strip(".,!?")

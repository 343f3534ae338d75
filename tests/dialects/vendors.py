"""What the tests of the speech vendors' dialects share: requests with a path and a query, and answers as a client reads
them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from gateway.dialects import Dialect
from gateway.errors import InvalidRequest
from gateway.types import (
    Ask,
    Attempt,
    AudioChunk,
    AudioFormat,
    Call,
    Done,
    Event,
    Form,
    Inbound,
    Rendered,
    Segment,
    Transcript,
    Units,
    Usage,
    VoiceCard,
    VoiceFact,
    VoiceListing,
    Word,
)
from plugins.sandbox.speaking import speak
from tests.given import call, head, stream, upload

WAV = b"".join(data for _, data in speak("Good morning.", "tone-208", 1.0, AudioFormat("wav", "audio/wav", 16_000)))
MP3 = AudioFormat("mp3", "audio/mpeg", 24_000)
PCM = AudioFormat("pcm", "audio/pcm;rate=8000", 8_000)
WORDS = (
    Word("Good", 0.1, 0.4, "A", 0.9),
    Word("morning.", 0.4, 0.9, "A", 0.7),
    Word("Hello!", 1.5, 1.9, "B"),
)
SEGMENTS = (Segment("Good morning.", 0.1, 0.9, "A", 0.8), Segment("Hello!", 1.5, 1.9, "B"))
SAID = Transcript("Good morning. Hello!", "en", 2.0, SEGMENTS, WORDS)
CARDS = (
    VoiceCard("narrator", VoiceFact("en-GB", "female"), {"a": "Amy"}, is_logical=True),
    VoiceCard("robot", VoiceFact(), {"a": "r2"}, is_logical=True),
    VoiceCard("v1", VoiceFact("de", "male", "Hans, calm"), {"b": "v1"}, is_logical=False),
)


def inbound(
    body: bytes = b"",
    *,
    query: str = "",
    path: str = "/v1/x",
    params: Mapping[str, str] | None = None,
    recording: bytes | None = None,
    form: Mapping[str, str | bytes] | None = None,
) -> Inbound:
    pairs = dict(part.partition("=")[::2] for part in query.split("&") if part)
    asked = replace(head(path=path, query=pairs), raw_query=query, params=params or {})
    if form is not None:
        fields = tuple((name, value) for name, value in form.items() if isinstance(value, str))
        files = tuple((name, upload(value)) for name, value in form.items() if isinstance(value, bytes))
        return Inbound(asked, b"", Form(fields, files))
    return Inbound(asked, body, upload=None if recording is None else upload(recording))


def fault(dialect: Dialect, asked: Inbound) -> str:
    """Return which field a request is refused for. A complaint says its field."""
    with pytest.raises(InvalidRequest) as caught:
        dialect.decode(asked)
    param = caught.value.param or ""
    assert param in caught.value.message
    return param


def check_ask_or_named_fault(dialect: Dialect, asked: Inbound) -> None:
    """A request gives an Ask, or an InvalidRequest that names its field and says it in its message."""
    error: InvalidRequest | None = None
    try:
        dialect.decode(asked)
    except InvalidRequest as raised:
        error = raised
    if error is not None:
        assert error.param
        assert f"'{error.param}'" in error.message


def asked_call(dialect: Dialect, asked: Inbound) -> Call:
    """Return the call of a request, with an attempt at vendor/model that answered."""
    ask: Ask = dialect.decode(asked)
    made = replace(call(ask.body, operation=dialect.operation, dialect=dialect.name, model=ask.model), head=asked.head)
    made.receipt.attempts.append(Attempt("vendor/model"))
    return made


async def answered(dialect: Dialect, asked: Inbound, events: Iterable[Event]) -> tuple[Rendered, bytes]:
    rendered = await dialect.encode(asked_call(dialect, asked), stream(events))
    body = rendered.body
    return rendered, body if isinstance(body, bytes) else b"".join([chunk async for chunk in body])


async def object_of(dialect: Dialect, asked: Inbound, *events: Event) -> dict[str, Any]:
    _, body = await answered(dialect, asked, events)
    found: dict[str, Any] = orjson.loads(body)
    return found


def sound(form: AudioFormat, *pieces: bytes) -> tuple[Event, ...]:
    chunks = [AudioChunk(data, None if number else form) for number, data in enumerate(pieces)]
    return (*chunks, Usage(Units(characters=5)), Done())


def listing() -> VoiceListing:
    return VoiceListing(CARDS)

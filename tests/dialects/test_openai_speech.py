"""OpenAI speech: a text in, audio out as it comes, as bytes or as events; any body gives an ask or names its field."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway import sse
from gateway.dialects.openai_speech import FORMATS, MAX_INPUT_CHARS, OpenAISpeech
from gateway.errors import UpstreamCut, UpstreamUnavailable
from gateway.types import AudioChunk, AudioFormat, Call, Done, Event, Rendered, Speech, Units, Usage
from tests.dialects.bodies import anything, check_ask_or_named_fault, decode, fault, fault_of
from tests.given import call, stream

DIALECT = OpenAISpeech()
PLAIN: dict[str, Any] = {"model": "tts-1", "input": "Good morning.", "voice": "nova"}
RICH: dict[str, Any] = PLAIN | {
    "voice": {"id": "voice_1"},
    "response_format": "wav",
    "speed": 1.5,
    "instructions": "Cheerfully.",
    "stream_format": "sse",
    "lang": "en",
}
MP3 = AudioFormat("mp3", "audio/mpeg")


@given(anything((PLAIN, RICH)))
def test_any_body_gives_an_ask_or_a_complaint_that_names_its_field(body: dict[str, Any]) -> None:
    check_ask_or_named_fault(DIALECT, body)


def test_a_rich_request_is_read_whole() -> None:
    ask = decode(DIALECT, RICH)
    assert (ask.model, ask.stream) == ("tts-1", True)
    assert ask.body == Speech(
        "Good morning.", "voice_1", "wav", 1.5, "Cheerfully.", streams_as="sse", extra={"lang": "en"}
    )


def test_what_was_not_said_is_openais_default() -> None:
    assert decode(DIALECT, PLAIN).body == Speech("Good morning.", "nova", "mp3", 1.0)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": " \n\t"}, "input"),
        ({"input": 5}, "input"),
        ({"voice": None}, "voice"),
        ({"voice": 5}, "voice"),
        ({"voice": {}}, "voice.id"),
        ({"voice": {"id": 5}}, "voice.id"),
        ({"response_format": "ogg"}, "response_format"),
        ({"stream_format": "websocket"}, "stream_format"),
        ({"instructions": []}, "instructions"),
        ({"model": []}, "model"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    assert fault(DIALECT, PLAIN | fields).param == param


@pytest.mark.parametrize(("speed", "is_taken"), [(0.24, False), (0.25, True), (1, True), (4, True), (4.01, False)])
def test_speed_is_taken_as_openai_takes_it(speed: float, is_taken: bool) -> None:
    assert (fault_of(DIALECT, PLAIN | {"speed": speed}) is None) == is_taken


@pytest.mark.parametrize(("length", "is_taken"), [(MAX_INPUT_CHARS, True), (MAX_INPUT_CHARS + 1, False)])
def test_a_text_is_bounded(length: int, is_taken: bool) -> None:
    assert (fault_of(DIALECT, PLAIN | {"input": "ä" * length}) is None) == is_taken


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_openais_may_be_asked_for(name: str) -> None:
    body = decode(DIALECT, PLAIN | {"response_format": name}).body
    assert isinstance(body, Speech)
    assert body.format == name


# ---------------------------------------------------------------- what is written


def asked(**speech: Any) -> Call:
    return call(replace(Speech("a", "nova"), **speech), operation="speech", dialect="openai.speech", stream=True)


async def chunks(found: Rendered) -> list[bytes]:
    assert not isinstance(found.body, bytes)
    return [chunk async for chunk in found.body]


AUDIO: tuple[Event, ...] = (
    AudioChunk(b"ID3", MP3),
    AudioChunk(b"\xff\xfb"),
    Usage(Units(5, output_tokens=9, characters=1)),
    Done(),
)


async def test_audio_goes_out_chunk_by_chunk_as_it_comes() -> None:
    """Pain 1: nothing is gathered."""
    seen = []

    async def events() -> AsyncIterator[Event]:
        for number, event in enumerate(AUDIO):
            seen.append(number)
            yield event

    found = await DIALECT.encode(asked(), events())
    assert found.content_type == "audio/mpeg"
    assert seen == [0]
    assert not isinstance(found.body, bytes)
    assert await anext(found.body) == b"ID3"
    assert seen == [0]
    assert [chunk async for chunk in found.body] == [b"\xff\xfb"]


async def test_audio_goes_out_as_events_where_that_was_asked_for() -> None:
    found = await DIALECT.encode(asked(streams_as="sse"), stream(AUDIO))
    assert found.content_type.startswith("text/event-stream")
    events = [orjson.loads(sse.parse(chunk).data) for chunk in await chunks(found)]
    assert [event["type"] for event in events] == ["speech.audio.delta", "speech.audio.delta", "speech.audio.done"]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:2]) == b"ID3\xff\xfb"
    assert events[2]["usage"] == {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14}


@pytest.mark.parametrize("events", [(), (Done(),), (Usage(Units()), Done()), (AudioChunk(b"x"), Done())])
async def test_an_answer_without_audio_is_cut(events: tuple[Event, ...]) -> None:
    with pytest.raises(UpstreamCut):
        await DIALECT.encode(asked(), stream(events))


@pytest.mark.parametrize("streams_as", ["audio", "sse"])
async def test_a_failure_in_the_middle_passes_and_no_end_is_written(streams_as: str) -> None:
    found = await DIALECT.encode(asked(streams_as=streams_as), stream((AUDIO[0], UpstreamCut("cut"))))
    assert not isinstance(found.body, bytes)
    await anext(found.body)
    with pytest.raises(UpstreamCut):
        await anext(found.body)


def test_an_error_is_json_or_an_event() -> None:
    error = UpstreamUnavailable("no voice today")
    plain = DIALECT.encode_error(error, "r1", started=False)
    assert orjson.loads(plain)["error"]["type"] == "server_error"
    assert sse.parse(DIALECT.encode_error(error, "r1", started=True)).data == plain

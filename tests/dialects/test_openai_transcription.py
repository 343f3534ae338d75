"""OpenAI transcription: a form with a recording in, a transcript out in the format that was asked for."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sse
from gateway.dialects.openai_transcription import FORMATS, OpenAITranscription
from gateway.errors import InvalidRequest, UpstreamCut
from gateway.types import (
    Ask,
    Call,
    Done,
    Event,
    Form,
    Inbound,
    Recording,
    Segment,
    Transcript,
    Units,
    Upload,
    Usage,
    Verbatim,
    Word,
)
from tests.given import head, recording_call, stream
from tests.vendors.tones import tone_pcm, wav_file

DIALECT = OpenAITranscription()
WAV = wav_file(tone_pcm(500, 0.5))
NAMES = ["model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]", "stream", "x"]
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["json", "text", "0.5", "1", "nan", "inf", "word", "segment", "true", "é"]
)


def file(data: bytes = WAV, filename: str = "a.wav") -> Upload:
    return Upload(filename, "audio/wav", len(data), io.BytesIO(data))


def form(*fields: tuple[str, str], files: tuple[tuple[str, Upload], ...] | None = None) -> Inbound:
    return Inbound(
        head(path="/v1/audio/transcriptions"), b"", Form(fields, files if files is not None else (("file", file()),))
    )


def recording(*fields: tuple[str, str]) -> Recording:
    body = DIALECT.decode(form(*fields)).body
    assert isinstance(body, Recording)
    return body


def fault_of(inbound: Inbound) -> InvalidRequest | None:
    try:
        assert isinstance(DIALECT.decode(inbound), Ask)
    except InvalidRequest as error:
        return error
    return None


def test_a_rich_form_is_read_whole() -> None:
    fields = (
        ("model", "whisper-1"),
        ("language", "de"),
        ("prompt", "Grüße"),
        ("response_format", "verbose_json"),
        ("temperature", "0.3"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("stream", "true"),
        ("keywords[]", "a"),
        ("keywords[]", "b"),
    )
    ask = DIALECT.decode(form(*fields))
    body = ask.body
    assert isinstance(body, Recording)
    assert (ask.model, ask.stream) == ("whisper-1", True)
    assert (body.container, body.language, body.prompt, body.format) == ("wav", "de", "Grüße", "verbose_json")
    assert body.duration_s == pytest.approx(0.5, abs=0.01)
    assert (body.temperature, body.granularities) == (0.3, frozenset({"word", "segment"}))
    assert (body.fields, body.extra) == (fields, {"keywords": ("a", "b")})
    assert body.audio.read() == WAV


def test_what_was_not_said_is_openais_default() -> None:
    body = recording()
    assert (body.format, body.language, body.prompt, body.temperature) == ("json", None, None, None)
    assert body.granularities == frozenset()
    assert DIALECT.decode(form()).stream is False


@given(
    st.lists(st.tuples(st.sampled_from(NAMES) | st.text(min_size=1, max_size=5), TEXTS), max_size=6),
    st.lists(st.tuples(st.sampled_from(["file", "file", "audio"]), st.binary(max_size=60)), max_size=2),
)
def test_any_form_gives_an_ask_or_a_complaint_that_names_its_field(
    fields: list[tuple[str, str]], files: list[tuple[str, bytes]]
) -> None:
    for given_files in (None, tuple((name, file(data)) for name, data in files)):
        error = fault_of(form(*fields, files=given_files))
        if error is not None:
            assert error.param
            assert f"'{error.param}" in error.message


@given(
    st.sampled_from([b"RIFF", b"ID3\x04", b"fLaC", b"OggS", b"\x1aE\xdf\xa3", b"\0\0\0\x18ftypM4A "]),
    st.binary(max_size=200),
)
def test_no_recording_is_a_fault_of_ours(mark: bytes, rest: bytes) -> None:
    error = fault_of(form(files=(("file", file(mark + rest)),)))
    assert error is None or error.param == "file"


@given(st.integers(0, len(WAV)), st.binary(max_size=8))
def test_no_broken_recording_is_a_fault_of_ours(at: int, junk: bytes) -> None:
    broken = WAV[:at] + junk + WAV[at + len(junk) :]
    for data in (broken, WAV[:at]):
        error = fault_of(form(files=(("file", file(data)),)))
        assert error is None or error.param == "file"


@pytest.mark.parametrize(
    ("inbound", "param"),
    [
        (form(files=()), "file"),
        (form(files=(("audio", file()),)), "file"),
        (form(files=(("file", file()), ("file", file()))), "file"),
        (form(files=(("file", file(b"")),)), "file"),
        (form(files=(("file", file(b"<html>no audio</html>", "a.mp3")),)), "file"),
        (form(("response_format", "docx")), "response_format"),
        (form(("response_format", "json"), ("response_format", "text")), "response_format"),
        (form(("model", "a"), ("model", "b")), "model"),
        (form(("temperature", "warm")), "temperature"),
        (form(("temperature", "nan")), "temperature"),
        (form(("stream", "yes")), "stream"),
        (form(("timestamp_granularities[]", "letter")), "timestamp_granularities"),
        (form(("timestamp_granularities", "letter")), "timestamp_granularities"),
    ],
)
def test_what_is_wrong_is_named(inbound: Inbound, param: str) -> None:
    error = fault_of(inbound)
    assert error is not None
    assert error.param == param


@pytest.mark.parametrize(
    ("text", "is_taken"), [("-0.01", False), ("0", True), ("0.5", True), ("1", True), ("1.01", False), ("", False)]
)
def test_temperature_is_taken_from_0_to_1(text: str, is_taken: bool) -> None:
    assert (fault_of(form(("temperature", text))) is None) == is_taken


def test_what_the_bytes_are_counts_and_not_what_the_name_says() -> None:
    assert DIALECT.decode(form(files=(("file", file(WAV, "song.mp3")),))).body.container == "wav"  # type: ignore[union-attr]


# ---------------------------------------------------------------- what is written

TRANSCRIPT = Transcript(
    "Good morning. Bye.",
    "en",
    2.5,
    (Segment("Good morning.", 0.0, 1.5), Segment("Bye.", 1.5, 2.5)),
    (Word("Good", 0.0, 0.5), Word("morning", 0.5, 1.5), Word("Bye", 1.5, 2.5)),
)
ANSWER: tuple[Event, ...] = (TRANSCRIPT, Usage(Units(audio_seconds=2.5)), Done())


def asked(*, is_streamed: bool = False, **fields: Any) -> Call:
    return recording_call(WAV, recording=fields, stream=is_streamed)


async def text_of(made: Call, *events: Event | BaseException) -> tuple[str, bytes]:
    found = await DIALECT.encode(made, stream(events))
    body = found.body if isinstance(found.body, bytes) else b"".join([chunk async for chunk in found.body])
    return found.content_type, body


@pytest.mark.parametrize("name", FORMATS)
async def test_every_format_is_rendered_from_one_transcript(name: str) -> None:
    """Pain 8."""
    content_type, body = await text_of(asked(format=name), *ANSWER)
    assert b"Good morning." in body
    if name.endswith("json"):
        assert content_type == "application/json"
        answer = orjson.loads(body)
        assert ("segments" in answer) == (name != "json")
    else:
        assert content_type.startswith(("text/", "application/x-subrip"))
        assert (b"-->" in body) == (name in ("srt", "vtt"))


async def test_a_streamed_transcript_ends_in_the_whole_text() -> None:
    content_type, body = await text_of(asked(is_streamed=True), *ANSWER)
    assert content_type.startswith("text/event-stream")
    events = [orjson.loads(sse.parse(raw + b"\n\n").data) for raw in body.split(b"\n\n")[:-1]]
    assert "".join(event.get("delta", "") for event in events) == TRANSCRIPT.text
    assert (events[-1]["type"], events[-1]["text"]) == ("transcript.text.done", TRANSCRIPT.text)
    assert {event["type"] for event in events[:-1]} == {"transcript.text.delta"}


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_vendors_own_bytes_pass_untouched(is_streamed: bool) -> None:
    events = (Verbatim(b"1\n00:", content_type="text/plain"), Verbatim(b"00"), Usage(Units()), Done())
    assert await text_of(asked(is_streamed=is_streamed), *events) == ("text/plain", b"1\n00:00")


@pytest.mark.parametrize("events", [(), (Done(),), (Usage(Units()), Done())])
async def test_an_answer_without_transcript_is_cut(events: tuple[Event, ...]) -> None:
    with pytest.raises(UpstreamCut):
        await text_of(asked(), *events)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_cut_passes(is_streamed: bool) -> None:
    for first in (Verbatim(b"a"), TRANSCRIPT):
        with pytest.raises(UpstreamCut):
            await text_of(asked(is_streamed=is_streamed), first, UpstreamCut("cut"))

"""What OpenAI answers is read the same however it is cut, complete only with its end, and never a fault of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import sse
from gateway.dialects import DIALECTS
from gateway.errors import (
    GatewayError,
    UpstreamCut,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamUnavailable,
)
from gateway.types import (
    AudioChunk,
    Call,
    Done,
    Segment,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Transcript,
    Units,
    Usage,
    Vector,
    Verbatim,
    Word,
)
from tests.dialects.bodies import mutated
from tests.given import stream
from tests.plugins.openai.answers import (
    CHAT,
    CHUNKS,
    EMBEDDINGS,
    JSON_HEADERS,
    RESPONSES,
    RESPONSES_EVENTS,
    SSE_HEADERS,
    TRANSCRIPTION,
    chat,
    check_cut_anywhere,
    check_types,
    chunk,
    embeddings,
    read,
    responses,
    speech,
    stream_of,
    transcription,
)

UNITS = Units(10, 4, 2, 6, 3)
MP3 = (b"\xff\xfb\x90\xc4" + b"\0" * 413) * 10  # frames of 128 kbit/s at 44.1 kHz
AUDIO_HEADERS = {"content-type": "audio/mpeg", "transfer-encoding": "chunked"}

# ---------------------------------------------------------------- what is read


async def test_a_whole_chat_becomes_events() -> None:
    assert await read(chat(), orjson.dumps(CHAT)) == [
        ThinkingDelta("hm", vendor="openai"),
        TextDelta("Hel"),
        ToolDelta(0, '{"a":1}', "c1", "look"),
        TextDelta("no", 1),
        Usage(UNITS),
        Done("tool_calls", 0),
        Done("content_filter", 1),
    ]


async def test_a_streamed_chat_becomes_events() -> None:
    assert await read(chat(stream=True), stream_of(CHUNKS)) == [
        TextDelta("Hel"),
        TextDelta("lo 😀"),
        ToolDelta(0, '{"a":1}', "c1", "look"),
        ToolDelta(0, "}"),
        Usage(UNITS),
        Done("stop", 0),
    ]


async def test_a_whole_chat_passes_untouched_with_its_usage_read_along() -> None:
    raw = orjson.dumps(CHAT, option=orjson.OPT_INDENT_2)
    events = await read(chat(verbatim=True), raw[:10], raw[10:])
    assert events == [
        Verbatim(raw, content_type="application/json"),
        Usage(UNITS),
        Done("tool_calls", 0),
        Done("content_filter", 1),
    ]


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
async def test_a_stream_passes_untouched_with_its_usage_read_along(eol: bytes) -> None:
    raw = (b": ping\n\n" + stream_of(CHUNKS)).replace(b"\n", eol)
    events = await read(chat(stream=True, verbatim=True, raw=b'{"stream_options":{"include_usage":true}}'), raw)
    assert b"".join(event.data for event in events if isinstance(event, Verbatim)) == raw
    assert [event for event in events if not isinstance(event, Verbatim)] == [Usage(UNITS), Done("stop", 0)]
    content = [event.is_content for event in events if isinstance(event, Verbatim)]
    # the comment, the role, four pieces and the reason, usage, [DONE]
    assert content == [False, False, True, True, True, True, True, False, False]


async def test_usage_that_only_the_gateway_asked_for_is_kept_from_the_client() -> None:
    events = await read(chat(stream=True, verbatim=True, wants_usage=False), stream_of(CHUNKS))
    seen = b"".join(event.data for event in events if isinstance(event, Verbatim))
    assert seen == stream_of(CHUNKS[:-1])
    assert Usage(UNITS) in events


@pytest.mark.parametrize(
    "asked",
    [chat(stream=True), chat(stream=True, verbatim=True), chat(stream=True, verbatim=True, wants_usage=False)],
    ids=["read", "untouched", "usage kept"],
)
async def test_a_stream_is_read_the_same_however_it_is_cut(asked: Call) -> None:
    await check_cut_anywhere(asked, stream_of(CHUNKS))


async def test_the_rest_is_read_the_same_however_it_is_cut() -> None:
    await check_cut_anywhere(chat(), orjson.dumps(CHAT))
    await check_cut_anywhere(chat(verbatim=True), orjson.dumps(CHAT))
    await check_cut_anywhere(embeddings(), orjson.dumps(EMBEDDINGS))
    await check_cut_anywhere(embeddings(verbatim=True), orjson.dumps(EMBEDDINGS))
    await check_cut_anywhere(transcription(), orjson.dumps(TRANSCRIPTION))
    heard = stream_of(TRANSCRIPT_EVENTS, done=False)
    await check_cut_anywhere(transcription(verbatim=True, stream=True), heard, SSE_HEADERS)


async def test_embeddings_come_as_floats_or_base64() -> None:
    assert await read(embeddings(), orjson.dumps(EMBEDDINGS)) == [
        Vector(0, [0.5, -1.0]),
        Vector(1, [0.5, -1.0]),
        Usage(Units(7)),
        Done(),
    ]


async def test_embeddings_pass_untouched() -> None:
    raw = orjson.dumps(EMBEDDINGS)
    assert await read(embeddings(verbatim=True), raw) == [
        Verbatim(raw, content_type="application/json"), Usage(Units(7)), Done(),
    ]  # fmt: skip


async def test_speech_comes_as_it_is_sent_and_is_counted_by_its_characters() -> None:
    events = await read(speech(text="Grüße"), MP3[:300], MP3[300:], headers=AUDIO_HEADERS)
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    assert b"".join(chunk.data for chunk in chunks) == MP3
    assert [chunk.format is not None for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert chunks[0].format is not None
    assert (chunks[0].format.name, chunks[0].format.content_type) == ("mp3", "audio/mpeg")
    assert events[len(chunks) :] == [Usage(Units(characters=5)), Done()]


async def test_a_transcription_is_read_whole() -> None:
    assert await read(transcription(), orjson.dumps(TRANSCRIPTION)) == [
        Transcript(
            "Good morning.",
            "english",
            2.5,
            (Segment("Good morning.", 0.0, 2.5, "A"),),
            (Word("Good", 0.0, 0.5),),
        ),
        Usage(Units(audio_seconds=3.0)),
        Done(),
    ]


async def test_a_transcription_as_text_passes_untouched() -> None:
    events = await read(transcription(verbatim=True, format="srt"), b"1\n", headers={"content-type": "text/plain"})
    assert events[0] == Verbatim(b"1\n", content_type="text/plain")


TRANSCRIPT_EVENTS = [
    {"type": "transcript.text.delta", "delta": "Good "},
    {"type": "transcript.text.delta", "delta": "morning."},
    {"type": "transcript.text.done", "text": "Good morning.", "usage": {"type": "duration", "seconds": 3}},
]


async def test_a_streamed_transcription_passes_untouched() -> None:
    raw = stream_of(TRANSCRIPT_EVENTS, done=False)
    events = await read(transcription(verbatim=True, stream=True), raw, headers=SSE_HEADERS)
    assert b"".join(event.data for event in events if isinstance(event, Verbatim)) == raw
    assert events[-2:] == [Usage(Units(audio_seconds=3.0)), Done()]


# ---------------------------------------------------------------- what is not complete


@pytest.mark.parametrize("verbatim", [False, True])
async def test_a_stream_is_complete_with_its_end_mark_and_not_before(verbatim: bool) -> None:
    """Pain 18: at whatever byte it ends."""
    raw = stream_of(CHUNKS)
    for at in range(len(raw) - 1):
        with pytest.raises((UpstreamCut, UpstreamMalformed)):
            await read(chat(stream=True, verbatim=verbatim), raw[:at])
    assert (await read(chat(stream=True, verbatim=verbatim), raw))[-1] == Done("stop", 0)


async def test_a_whole_answer_that_is_cut_is_malformed_at_whatever_byte() -> None:
    for asked, answer in ((chat(), CHAT), (chat(verbatim=True), CHAT), (embeddings(), EMBEDDINGS)):
        raw = orjson.dumps(answer)
        for at in range(len(raw)):
            with pytest.raises(UpstreamMalformed):
                await read(asked, raw[:at])


async def test_a_streamed_transcription_is_complete_with_its_last_event() -> None:
    raw = stream_of(TRANSCRIPT_EVENTS, done=False)
    for at in range(len(raw) - 1):
        with pytest.raises((UpstreamCut, UpstreamMalformed)):
            await read(transcription(verbatim=True, stream=True), raw[:at], headers=SSE_HEADERS)


@pytest.mark.parametrize(
    "asked",
    [chat(), chat(stream=True), chat(stream=True, verbatim=True), embeddings(), transcription(), speech()],
    ids=["chat", "stream", "untouched", "embeddings", "transcription", "speech"],
)
async def test_what_the_transport_raises_passes(asked: Call) -> None:
    headers = AUDIO_HEADERS if asked.operation == "speech" else None
    with pytest.raises(UpstreamCut, match="broke off"):
        await read(asked, b"d", UpstreamCut("broke off"), headers=headers)


async def test_speech_without_a_frame_or_without_audio_is_refused() -> None:
    with pytest.raises(UpstreamMalformed, match="neither length nor chunks"):
        await read(speech(), b"ID3", headers={"content-type": "audio/mpeg"})
    with pytest.raises(UpstreamCut, match="no audio"):
        await read(speech(), headers=AUDIO_HEADERS)
    for kind in ("application/json", "text/html"):
        with pytest.raises(UpstreamMalformed, match="where audio was asked for"):
            await read(speech(), b"{}", headers={"content-type": kind, "content-length": "2"})


@pytest.mark.parametrize("kind", ["application/json", "text/html", "audio/mpeg"])
async def test_a_stream_that_is_none_is_malformed(kind: str) -> None:
    with pytest.raises(UpstreamMalformed, match="stream of events"):
        await read(chat(stream=True), stream_of(CHUNKS), headers={"content-type": kind})


# ---------------------------------------------------------------- errors inside a 200

ERRORS_IN_200: list[tuple[Any, type[GatewayError]]] = [
    ({"message": "overloaded"}, UpstreamUnavailable),
    ({"message": "slow", "code": "rate_limit_exceeded"}, UpstreamRateLimited),
    ({"message": "slow", "type": "rate_limit_error"}, UpstreamRateLimited),
    ({"message": "slow", "code": 429}, UpstreamRateLimited),
    ({"message": "no credit", "code": 402}, UpstreamRefusedUs),
    ({"message": "down", "code": 503}, UpstreamUnavailable),
    ("a plain text", UpstreamUnavailable),
    ({"code": ["odd"], "type": {}}, UpstreamUnavailable),
    ([1, 2], UpstreamUnavailable),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS_IN_200)
async def test_an_error_in_a_200_is_an_error(error: Any, kind: type[GatewayError]) -> None:
    raw = orjson.dumps({"error": error})
    for asked in (chat(), chat(verbatim=True), embeddings(), transcription(), transcription(verbatim=True)):
        with pytest.raises(kind):
            await read(asked, raw)
    for asked in (chat(stream=True), chat(stream=True, verbatim=True)):
        with pytest.raises(kind):
            await read(asked, stream_of([CHUNKS[1], {"error": error}]))


async def test_an_error_of_null_is_none() -> None:
    assert Done("stop", 0) in await read(chat(stream=True), stream_of([chunk({}, "stop", error=None)]))


# ---------------------------------------------------------------- what is malformed

MALFORMED: list[tuple[str, Call, Any]] = [
    ("no object", chat(), [1]),
    ("no choices", chat(), {"id": "x"}),
    ("choices of another type", chat(), {"choices": {}}),
    ("a choice that is none", chat(), {"choices": [1]}),
    ("a choice that is none, untouched", chat(verbatim=True), {"choices": [None]}),
    ("a message that is none", chat(), {"choices": [{"message": "hello"}]}),
    ("tool calls that are none", chat(), {"choices": [{"message": {"tool_calls": 5}}]}),
    ("no data", embeddings(), {"usage": {}}),
    ("data of another type", embeddings(), {"data": "x"}),
    ("a vector that is none", embeddings(), {"data": [{"embedding": {"a": 1}}]}),
    ("a vector of no numbers", embeddings(), {"data": [{"embedding": ["a"]}]}),
    ("a vector of broken base64", embeddings(), {"data": [{"embedding": "AAAA!"}]}),
    ("a vector of half a number", embeddings(), {"data": [{"embedding": "AAA="}]}),
    ("no text", transcription(), {"language": "en"}),
    ("a text that is none", transcription(), {"text": 5}),
    ("segments that are none", transcription(), {"text": "a", "segments": {"a": 1}}),
]


@pytest.mark.parametrize(("asked", "answer"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
async def test_what_is_not_the_vendors_format_is_malformed(asked: Call, answer: Any) -> None:
    with pytest.raises((UpstreamMalformed, UpstreamCut)):
        await read(asked, orjson.dumps(answer))


@pytest.mark.parametrize("data", [b"{", b"[1]", b'"x"', b'{"choices": 5}', b'{"choices":[1]}', b"\xff"])
@pytest.mark.parametrize("verbatim", [False, True])
async def test_a_malformed_event_ends_the_stream(data: bytes, verbatim: bool) -> None:
    with pytest.raises(UpstreamMalformed):
        await read(chat(stream=True, verbatim=verbatim), b"data: " + data + b"\n\n" + stream_of(CHUNKS))


def outcome(asked: Call, raw: bytes, headers: dict[str, str] | None = None) -> None:
    """Read an answer, and render it for a client, as the gateway would."""

    async def run() -> None:
        try:
            events = await read(asked, raw, headers=headers)
        except UpstreamError:
            return
        check_types(events)
        rendered = await DIALECTS[asked.dialect].encode(asked, stream(events))
        if not isinstance(rendered.body, bytes):
            assert b"".join([piece async for piece in rendered.body])

    asyncio.run(run())


WHOLE: dict[str, tuple[Callable[[], Call], Any]] = {
    "chat": (chat, CHAT),
    "chat untouched": (lambda: chat(verbatim=True), CHAT),
    "embeddings": (embeddings, EMBEDDINGS),
    "embeddings untouched": (lambda: embeddings(verbatim=True), EMBEDDINGS),
    "responses": (responses, RESPONSES),
    "transcription": (lambda: transcription(format="verbose_json"), TRANSCRIPTION),
    "transcription untouched": (lambda: transcription(verbatim=True), TRANSCRIPTION),
}


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
@settings(max_examples=60)
def test_no_answer_is_a_fault_of_ours(name: str, data: st.DataObject) -> None:
    """A right answer with some of its values replaced by any others."""
    asked, answer = WHOLE[name]
    outcome(asked(), orjson.dumps(data.draw(mutated((answer,)))))


@pytest.mark.parametrize("verbatim", [False, True])
@given(data=st.data())
@settings(max_examples=100)
def test_no_stream_is_a_fault_of_ours(verbatim: bool, data: st.DataObject) -> None:
    chunks = data.draw(mutated(({"chunks": CHUNKS},)))["chunks"]
    events = chunks if isinstance(chunks, list) else [chunks]
    outcome(chat(stream=True, verbatim=verbatim), stream_of(events))


@given(st.data())
@settings(max_examples=60)
def test_no_stream_of_responses_is_a_fault_of_ours(data: st.DataObject) -> None:
    events = data.draw(mutated(({"events": RESPONSES_EVENTS},)))["events"]
    outcome(responses(stream=True), stream_of(events if isinstance(events, list) else [events], done=False))


@given(st.data())
@settings(max_examples=60)
def test_no_streamed_transcription_is_a_fault_of_ours(data: st.DataObject) -> None:
    events = data.draw(mutated(({"events": TRANSCRIPT_EVENTS},)))["events"]
    raw = stream_of(events if isinstance(events, list) else [events], done=False)
    outcome(transcription(verbatim=True, stream=True), raw, SSE_HEADERS)


@given(st.binary(max_size=60))
def test_no_bytes_are_a_fault_of_ours(raw: bytes) -> None:
    for asked in (chat(), chat(verbatim=True), embeddings(), transcription()):
        outcome(asked, raw, JSON_HEADERS)
    outcome(chat(stream=True), raw)
    outcome(chat(stream=True, verbatim=True), sse.write(raw) + stream_of(CHUNKS))

"""Deepgram's formats: options in the query, a recording as the body, and its answers with words and utterances."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from deepgram.types.list_models_v1response import ListModelsV1Response
from deepgram.types.listen_v1response import ListenV1Response
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio import wav
from gateway.audio.companding import Compander
from gateway.dialects.deepgram_listen import DeepgramListen
from gateway.dialects.deepgram_models import DeepgramModels
from gateway.dialects.deepgram_speak import DeepgramSpeak
from gateway.errors import InvalidRequest, RateLimited, UpstreamCut
from gateway.types import Done, Recording, Speech, Transcript, Units, Usage
from tests.dialects.vendors import (
    MP3,
    PCM,
    SAID,
    WAV,
    answered,
    check_ask_or_named_fault,
    fault,
    inbound,
    listing,
    object_of,
    sound,
)

LISTEN, SPEAK, MODELS = DeepgramListen(), DeepgramSpeak(), DeepgramModels()
TEXT = b'{"text": "Good morning."}'
NAMES = st.sampled_from(
    ["model", "encoding", "container", "sample_rate", "speed", "language", "diarize", "redact", "x"]
)
VALUES = st.sampled_from(["", "true", "false", "nova-3", "linear16", "none", "wav", "8000", "1.5", "en", "nan", "-1"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_any_query_gives_an_ask_or_a_complaint_that_names_its_field(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value}" for name, value in pairs)
    check_ask_or_named_fault(SPEAK, inbound(TEXT, query=query))
    check_ask_or_named_fault(LISTEN, inbound(query=query, recording=WAV))


# ---------------------------------------------------------------- speak


@pytest.mark.parametrize(
    ("query", "speech", "model"),
    [
        ("", Speech("Good morning.", "aura-asteria-en", "mp3"), "aura"),
        ("model=aura-2-thalia-en&encoding=opus", Speech("Good morning.", "aura-2-thalia-en", "opus"), "aura-2"),
        (
            "model=mine&encoding=linear16&sample_rate=16000&speed=1.2&tag=a&tag=b",
            Speech("Good morning.", "mine", "wav", 1.2, sample_rate_hz=16_000, extra={"tag": ("a", "b")}),
            "",
        ),
        ("model=m&encoding=linear16&container=none", Speech("Good morning.", "m", "pcm"), ""),
        (
            "model=m&encoding=mulaw",
            Speech("Good morning.", "m", "pcm", sample_rate_hz=8_000, extra={"law": "mulaw", "container": "wav"}),
            "",
        ),
    ],
)
def test_a_text_is_read_with_its_query(query: str, speech: Speech, model: str) -> None:
    ask = SPEAK.decode(inbound(TEXT, query=query))
    assert (ask.body, ask.model, ask.wish) == (speech, model, "")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("encoding=vorbis", "encoding"),
        ("encoding=mp3&container=wav", "container"),
        ("sample_rate=8000.5", "sample_rate"),
        ("sample_rate=1", "sample_rate"),
        ("speed=9", "speed"),
        ("callback=https://x.example", "callback"),
        ("mip_opt_out=true", "mip_opt_out"),
        ("voice=x", "voice"),
        ("model=a&model=b", "model"),
    ],
)
def test_what_speak_cannot_carry_is_refused_by_name(query: str, param: str) -> None:
    assert fault(SPEAK, inbound(TEXT, query=query)) == param
    assert fault(SPEAK, inbound(b'{"text": "a", "url": "b"}')) == "url"


async def test_sound_comes_as_it_is() -> None:
    rendered, body = await answered(SPEAK, inbound(TEXT), sound(MP3, b"ab", b"c"))
    assert (rendered.content_type, body, rendered.headers["dg-char-count"]) == ("audio/mpeg", b"abc", "13")
    with pytest.raises(UpstreamCut):
        await answered(SPEAK, inbound(TEXT), (Done(),))


@pytest.mark.parametrize("container", ["wav", "none"])
async def test_telephony_comes_with_a_header_unless_it_is_not_wanted(container: str) -> None:
    samples = bytes(range(100))
    asked = inbound(TEXT, query=f"encoding=alaw&container={container}")
    rendered, body = await answered(SPEAK, asked, sound(PCM, samples))
    made = Compander("alaw").feed(samples)
    if container == "none":
        assert (rendered.content_type, body) == ("audio/alaw;rate=8000", made)
    else:
        head, inner = wav.strip(body)
        assert (head.encoding, head.sample_rate_hz, head.bits_per_sample, inner) == ("alaw", 8_000, 8, made)


# ---------------------------------------------------------------- listen


def recording(query: str, body: bytes = WAV) -> Recording:
    found = LISTEN.decode(inbound(query=query, recording=body)).body
    assert isinstance(found, Recording)
    return found


def test_a_recording_is_read_with_its_query() -> None:
    ask = LISTEN.decode(inbound(query="model=nova-3&keyterm=a&keyterm=b%20c&keywords=d:2&numerals=true", recording=WAV))
    found = ask.body
    assert isinstance(found, Recording)
    assert (ask.model, ask.wish, found.container, found.language) == ("nova-3", "model", "wav", "en")
    assert (found.prompt, found.format) == ("a, b c, d", "json")
    assert found.extra["numerals"] == ("true",)
    assert recording("language=multi").language is None
    assert recording("detect_language=true&language=de").language is None
    assert recording("language=de&diarize=true").format == "diarized_json"
    assert recording("diarize_model=latest").format == "diarized_json"
    assert recording("redact=false&multichannel=false").language == "en"


def test_samples_without_a_header_become_a_recording() -> None:
    samples = b"\x01\x02" * 800
    found = recording("encoding=linear16&sample_rate=16000", samples + b"\x03")
    assert (found.container, found.duration_s) == ("wav", 0.05)
    assert wav.strip(found.audio.read())[1] == samples
    assert recording("encoding=mulaw&sample_rate=8000", b"\xff" * 800).duration_s == 0.1
    assert recording("encoding=linear16&sample_rate=8000").duration_s == recording("").duration_s  # it has a header


def test_an_address_is_read_from_json() -> None:
    found = LISTEN.decode(inbound(b'{"url": "https://x.example/a.wav"}', query="model=nova-3")).body
    assert isinstance(found, Recording)
    assert found.url == "https://x.example/a.wav"
    assert fault(LISTEN, inbound(b'{"url": "http://127.0.0.1/a"}')) == "url"


@pytest.mark.parametrize(
    "query",
    ["redact=pci", "summarize=v2", "topics=true", "multichannel=true", "callback=https://x", "profanity_filter=true",
     "encoding=speex", "punctuate=yes", "mode=x"],
)  # fmt: skip
def test_what_listen_cannot_carry_is_refused_by_name(query: str) -> None:
    assert fault(LISTEN, inbound(query=query, recording=WAV)) == query.partition("=")[0]


def test_samples_need_their_rate_and_a_form_is_none() -> None:
    assert fault(LISTEN, inbound(query="encoding=linear16", recording=b"\0\0")) == "sample_rate"
    assert fault(LISTEN, inbound(form={"file": WAV})) == ""


async def test_an_answer_has_words_utterances_and_paragraphs() -> None:
    asked = inbound(
        query="model=nova-3&diarize=true&utterances=true&paragraphs=true&detect_language=true", recording=WAV
    )
    answer = await object_of(LISTEN, asked, SAID, Usage(Units(audio_seconds=2.0)))
    ListenV1Response.model_validate(answer)
    assert answer["metadata"]["duration"] == 2.0
    assert [row["name"] for row in answer["metadata"]["model_info"].values()] == ["vendor/model"]
    channel = answer["results"]["channels"][0]
    best = channel["alternatives"][0]
    assert (channel["detected_language"], best["transcript"]) == ("en", "Good morning. Hello!")
    assert best["words"][1] == {
        "word": "morning",
        "start": 0.4,
        "end": 0.9,
        "confidence": 0.7,
        "punctuated_word": "morning.",
        "speaker": 0,
    }
    assert [word["speaker"] for word in best["words"]] == [0, 0, 1]
    assert [(one["transcript"], one["speaker"], len(one["words"])) for one in answer["results"]["utterances"]] == [
        ("Good morning.", 0, 2),
        ("Hello!", 1, 1),
    ]
    paragraphs = best["paragraphs"]
    assert paragraphs["transcript"] == "\nGood morning.\n\nHello!"
    assert [(one["speaker"], one["num_words"]) for one in paragraphs["paragraphs"]] == [(0, 2), (1, 1)]


async def test_what_was_not_asked_for_and_is_not_known_is_left_out() -> None:
    answer = await object_of(LISTEN, inbound(recording=WAV), Transcript("Good morning."))
    assert answer["results"] == {"channels": [{"alternatives": [{"transcript": "Good morning.", "words": []}]}]}
    with pytest.raises(UpstreamCut):
        await object_of(LISTEN, inbound(recording=WAV), Done())


# ---------------------------------------------------------------- the rest


async def test_voices_are_listed_as_models() -> None:
    answer = await object_of(MODELS, inbound(), listing())
    listed = ListModelsV1Response.model_validate(answer)
    assert [(model.name, model.languages) for model in listed.tts or ()] == [
        ("narrator", ["en-GB"]),
        ("robot", []),
        ("v1", ["de"]),
    ]


def test_errors_have_deepgrams_shape() -> None:
    error: Any = InvalidRequest("'voice' 'x' is not known", param="voice")
    assert orjson.loads(SPEAK.encode_error(error, "r-1", started=False)) == {
        "err_code": "Bad Request",
        "err_msg": "'model' 'x' is not known",
        "request_id": "r-1",
        "param": "model",
    }
    assert b"TOO_MANY_REQUESTS" in LISTEN.encode_error(RateLimited("x"), "r", started=False)

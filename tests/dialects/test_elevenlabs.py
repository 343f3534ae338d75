"""ElevenLabs' formats: a voice in the path, a form with a recording, and answers with words and what is between."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from elevenlabs.types.get_voices_v_2_response import GetVoicesV2Response
from elevenlabs.types.speech_to_text_chunk_response_model import SpeechToTextChunkResponseModel
from hypothesis import assume, given

from gateway.audio.companding import Compander
from gateway.dialects.elevenlabs_stt import ElevenLabsStt
from gateway.dialects.elevenlabs_tts import ElevenLabsTts
from gateway.dialects.elevenlabs_voices import ElevenLabsVoices
from gateway.errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unauthenticated,
    UnsupportedByTarget,
    UpstreamCut,
)
from gateway.types import Done, Inbound, Recording, Speech, Transcript
from tests.dialects.bodies import anything
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

TTS, STT, VOICES = ElevenLabsTts(), ElevenLabsStt(), ElevenLabsVoices()
PLAIN: dict[str, Any] = {"text": "Good morning."}
RICH: dict[str, Any] = PLAIN | {
    "model_id": "eleven_flash_v2_5",
    "language_code": "en",
    "voice_settings": {"stability": 0.5, "speed": 1.1},
    "seed": 7,
    "next_text": "",
    "apply_text_normalization": "auto",
}


def asked(body: dict[str, Any], query: str = "", way: str = "") -> Inbound:
    return inbound(orjson.dumps(body), query=query, params={"voice": f"v1{way}"})


@given(anything((PLAIN, RICH)))
def test_any_body_gives_an_ask_or_a_complaint_that_names_its_field(body: dict[str, Any]) -> None:
    assume("" not in body)
    check_ask_or_named_fault(TTS, asked(body))


@pytest.mark.parametrize("way", ["", "/stream"])
def test_a_text_is_read_with_its_voice(way: str) -> None:
    ask = TTS.decode(asked(RICH, "output_format=pcm_16000&optimize_streaming_latency=3", way))
    assert (ask.model, ask.wish) == ("eleven_flash_v2_5", "model_id")
    assert ask.body == Speech(
        "Good morning.", "v1", "pcm", 1.1, language="en", sample_rate_hz=16_000,
        extra={"seed": 7, "voice_settings.stability": 0.5, "optimize_streaming_latency": "3"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("output_format", "wanted"),
    [
        ("mp3_22050_32", ("mp3", None)),
        ("opus_48000_64", ("opus", None)),
        ("wav_24000", ("wav", 24_000)),
        ("ulaw_8000", ("pcm", 8_000)),
    ],
)
def test_each_format_has_its_rate_or_leaves_it(output_format: str, wanted: tuple[str, int | None]) -> None:
    speech = TTS.decode(asked(PLAIN, f"output_format={output_format}")).body
    assert isinstance(speech, Speech)
    assert (speech.format, speech.sample_rate_hz) == wanted


@pytest.mark.parametrize(
    ("body", "query", "way", "param"),
    [
        ({}, "", "/with-timestamps", "with-timestamps"),
        ({}, "", "/stream/with-timestamps", "with-timestamps"),
        ({}, "output_format=aac_44100", "", "output_format"),
        ({}, "enable_logging=false", "", "enable_logging"),
        ({}, "voice=x", "", "voice"),
        ({"text": ""}, "", "", "text"),
        ({"voice_settings": {"mood": 1}}, "", "", "voice_settings.mood"),
        ({"audio_effects": {"reverb": 1}}, "", "", "audio_effects"),
        ({"ssml": True}, "", "", "ssml"),
    ],
)
def test_what_cannot_be_is_refused_by_name(body: dict[str, Any], query: str, way: str, param: str) -> None:
    assert fault(TTS, asked(PLAIN | body, query, way)) == param


def test_another_path_below_a_voice_is_none() -> None:
    with pytest.raises(NotFound):
        TTS.decode(asked(PLAIN, way="/settings"))


async def test_sound_comes_as_it_is_or_as_telephony_has_it() -> None:
    rendered, body = await answered(TTS, asked(PLAIN), sound(MP3, b"ab", b"c"))
    assert (rendered.content_type, body, rendered.headers["character-cost"]) == ("audio/mpeg", b"abc", "13")
    rendered, body = await answered(TTS, asked(PLAIN, "output_format=ulaw_8000"), sound(PCM, b"\1\2\3\4"))
    assert (rendered.content_type, body) == ("audio/basic", Compander("mulaw").feed(b"\1\2\3\4"))


# ---------------------------------------------------------------- recordings


def form(**more: str | bytes) -> Inbound:
    return inbound(form={"model_id": "scribe_v2", "file": WAV, **more})


def test_a_form_is_read_whole() -> None:
    given = form(
        language_code="de", diarize="true", keyterms="a, b", temperature="1.5", num_speakers="2", webhook="false",
        tag_audio_events="true", webhook_metadata="null", entity_detection="null",
    )  # fmt: skip
    ask = STT.decode(given)
    found = ask.body
    assert isinstance(found, Recording)
    assert (ask.model, ask.wish, found.container, found.language) == ("scribe_v2", "model_id", "wav", "de")
    assert (found.prompt, found.format, found.temperature) == ("a, b", "diarized_json", 1.0)
    assert found.extra == {"num_speakers": "2", "tag_audio_events": "true", "timestamps_granularity": "word"}


def test_samples_and_addresses_are_taken() -> None:
    found = STT.decode(form(file=b"\0\1" * 1_600, file_format="pcm_s16le_16")).body
    assert isinstance(found, Recording)
    assert (found.container, found.duration_s) == ("wav", 0.1)
    found = STT.decode(inbound(form={"model_id": "m", "source_url": "https://x.example/a.mp3"})).body
    assert isinstance(found, Recording)
    assert found.url == "https://x.example/a.mp3"


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"model_id": ""}, "model_id"),
        ({"timestamps_granularity": "character"}, "timestamps_granularity"),
        ({"additional_formats": '[{"format":"srt"}]'}, "additional_formats"),
        ({"webhook": "true"}, "webhook"),
        ({"use_multi_channel": "true"}, "use_multi_channel"),
        ({"entity_redaction": '"all"'}, "entity_redaction"),
        ({"temperature": "3"}, "temperature"),
        ({"speed": "3"}, "speed"),
        ({"file": "text"}, "file"),
        ({"file": b"no sound"}, "file"),
    ],
)
def test_what_a_form_cannot_ask_is_refused_by_name(more: dict[str, str | bytes], param: str) -> None:
    assert fault(STT, form(**more)) == param


async def test_an_answer_has_words_and_what_is_between_them() -> None:
    answer = await object_of(STT, form(diarize="true"), SAID)
    SpeechToTextChunkResponseModel.model_validate(answer)
    assert (answer["language_code"], answer["text"], answer["audio_duration_secs"]) == ("eng", SAID.text, 2.0)
    assert [(word["text"], word["type"], word["speaker_id"]) for word in answer["words"]] == [
        ("Good", "word", "speaker_A"),
        (" ", "spacing", "speaker_A"),
        ("morning.", "word", "speaker_A"),
        (" ", "spacing", "speaker_A"),
        ("Hello!", "word", "speaker_B"),
    ]
    assert answer["words"][0]["logprob"] == pytest.approx(-0.105, abs=0.001)
    bare = await object_of(STT, form(timestamps_granularity="none"), Transcript("Good morning."))
    assert (bare["words"], bare["language_code"], bare["language_probability"]) == ([], "und", 0.0)
    with pytest.raises(UpstreamCut):
        await object_of(STT, form(), Done())


# ---------------------------------------------------------------- the rest


async def test_voices_are_listed_and_searched() -> None:
    answer = await object_of(VOICES, inbound(), listing())
    listed = GetVoicesV2Response.model_validate(answer)
    assert [(voice.voice_id, voice.name) for voice in listed.voices] == [
        ("narrator", "narrator"),
        ("robot", "robot"),
        ("v1", "Hans"),
    ]
    for query, found in (("search=CALM", ["v1"]), ("gender=female", ["narrator"]), ("voice_ids=robot", ["robot"])):
        answer = await object_of(VOICES, inbound(query=query), listing())
        assert [voice["voice_id"] for voice in answer["voices"]] == found


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InvalidRequest("'voice' 'x' is not known", param="voice"), 404, "voice_not_found"),
        (UnsupportedByTarget("takes at most 5", param="input"), 400, "max_character_limit_exceeded"),
        (InvalidRequest("'text' is required", param="text"), 400, "invalid_request"),
        (Unauthenticated("x"), 401, "invalid_api_key"),
        (RateLimited("x"), 429, "too_many_concurrent_requests"),
    ],
)
def test_errors_have_elevenlabs_shape(error: GatewayError, status: int, said: str) -> None:
    assert TTS.error_head(error, "r")[0] == status
    detail = orjson.loads(TTS.encode_error(error, "r", started=False))["detail"]
    assert (detail["status"], detail["request_id"]) == (said, "r")

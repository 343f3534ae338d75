"""The fakes that write speech down, each asked by its vendor's own SDK: they hear what is in a file."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import av
import httpx
import pytest
import pytest_asyncio
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError as DeepgramError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.types import ListenV1Response
from elevenlabs import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError as ElevenLabsError
from elevenlabs.types import SpeechToTextChunkResponseModel
from google.api_core.exceptions import BadRequest
from google.cloud import speech_v1

from gateway.types import AudioFormat
from plugins.sandbox.speaking import speak
from tests.vendors.deepgram import API_KEY as DEEPGRAM_KEY
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.elevenlabs import API_KEY as ELEVENLABS_KEY
from tests.vendors.elevenlabs import ElevenLabsServer
from tests.vendors.google_stt import ACCESS_TOKEN, API_KEY, PROJECT, GoogleSttServer
from tests.vendors.heard import listen
from tests.vendors.recordings import UnreadableAudio
from tests.vendors.tones import tone_pcm, wav_file

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what the SDKs import
SAID = "The quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="session")
def spoken() -> bytes:
    """Return the sentence as the sandbox speaks it."""
    parts = speak(SAID, "tone-208", 1.0, AudioFormat("wav", "audio/wav", 24_000))
    return b"".join(data for _, data in parts)


@pytest_asyncio.fixture
async def deepgram() -> AsyncIterator[DeepgramServer]:
    async with DeepgramServer() as server:
        yield server


@pytest_asyncio.fixture
async def elevenlabs() -> AsyncIterator[ElevenLabsServer]:
    async with ElevenLabsServer() as server:
        yield server


@pytest_asyncio.fixture
async def google() -> AsyncIterator[GoogleSttServer]:
    async with GoogleSttServer() as server:
        yield server


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Return what both SDKs speak through, so that it is closed: they close nothing themselves."""
    async with httpx.AsyncClient() as client:
        yield client


def deepgram_client(server: DeepgramServer, http: httpx.AsyncClient, key: str = DEEPGRAM_KEY) -> AsyncDeepgramClient:
    places = DeepgramClientEnvironment(base=server.origin, production="", agent="", agent_rest="")
    return AsyncDeepgramClient(api_key=key, environment=places, httpx_client=http)


def in_format(wav: bytes, name: str, codec: str) -> bytes:
    """Return the same sound in another container."""
    target = io.BytesIO()
    with av.open(io.BytesIO(wav), "r") as source, av.open(target, "w", format=name) as output:
        stream: Any = output.add_stream(codec, rate=24_000, layout="mono")
        for frame in source.decode(audio=0):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


# ---------------------------------------------------------------- the ear that they share


def test_what_the_sandbox_said_is_heard_in_whatever_keeps_samples(spoken: bytes) -> None:
    for content in (spoken, in_format(spoken, "flac", "flac")):
        heard = listen(content, "x")
        assert heard.text == SAID
        assert (heard.rate_hz, heard.channels) == (24_000, 1)
        assert heard.words[-1].end_s == pytest.approx(heard.duration_s, abs=0.01)


def test_of_other_sounds_the_length_is_heard_and_of_silence_nothing(spoken: bytes) -> None:
    assert listen(wav_file(tone_pcm(400, 2.0)), "x").text == "This is x and the recording lasts 2 seconds."
    assert listen(in_format(spoken, "ogg", "libopus"), "x").text.startswith("This is x")
    assert listen(wav_file(b"\0\0" * 24_000), "x").words == ()


def test_a_broken_file_is_no_recording(spoken: bytes) -> None:
    flac = in_format(spoken, "flac", "flac")
    for content in (b"", b"PK\x03\x04" + b"x" * 100, flac[: len(flac) // 2], spoken[:44]):
        with pytest.raises(UnreadableAudio):
            listen(content, "x")


# ---------------------------------------------------------------- Deepgram


async def test_deepgram_gives_words_and_utterances(
    deepgram: DeepgramServer, spoken: bytes, http: httpx.AsyncClient
) -> None:
    media = deepgram_client(deepgram, http).listen.v1.media
    answer: Any = await media.transcribe_file(
        request=spoken, model="nova-3", smart_format=True, utterances=True, diarize_model="latest", language="en"
    )
    ListenV1Response.model_validate(answer.model_dump())
    best = answer.results.channels[0].alternatives[0]
    assert best.transcript == SAID
    assert (best.words[0].word, best.words[0].speaker, best.words[4].speaker) == ("the", 0, 1)
    assert answer.results.utterances[0].transcript == "The quick brown fox"
    assert (answer.metadata.channels, answer.metadata.duration) == (1, pytest.approx(2.93, abs=0.1))
    assert deepgram.refused == []


async def test_deepgram_takes_an_address(deepgram: DeepgramServer, http: httpx.AsyncClient) -> None:
    answer: Any = await deepgram_client(deepgram, http).listen.v1.media.transcribe_url(url="https://example.com/a.mp3")
    assert answer.results.channels[0].alternatives[0].transcript == "https://example.com/a.mp3"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"model": "nova-9"}, 400),
        ({"response_format": "srt"}, 400),
        ({"smart_format": "1"}, 400),
        ({"model": "nova-2", "keyterm": "a"}, 400),
        ({"language": "en", "detect_language": "true"}, 400),
    ],
)
async def test_deepgram_refuses(deepgram: DeepgramServer, spoken: bytes, query: dict[str, str], status: int) -> None:
    headers = {"authorization": f"Token {DEEPGRAM_KEY}", "content-type": "audio/wav"}
    url = f"{deepgram.origin}/v1/listen"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, params=query, data=spoken) as response,
    ):
        assert (response.status, set(await response.json())) == (status, {"err_code", "err_msg", "request_id"})


async def test_deepgram_refuses_a_wrong_key_and_a_broken_file(
    deepgram: DeepgramServer, http: httpx.AsyncClient
) -> None:
    with pytest.raises(DeepgramError) as caught:
        await deepgram_client(deepgram, http, "wrong").listen.v1.media.transcribe_file(request=b"x")
    assert caught.value.status_code == 401
    with pytest.raises(DeepgramError) as caught:
        await deepgram_client(deepgram, http).listen.v1.media.transcribe_file(request=b"x", model="nova-3")
    assert caught.value.status_code == 400


# ---------------------------------------------------------------- ElevenLabs


async def test_elevenlabs_gives_words_spaces_and_speakers(
    elevenlabs: ElevenLabsServer, spoken: bytes, http: httpx.AsyncClient
) -> None:
    client = AsyncElevenLabs(api_key=ELEVENLABS_KEY, base_url=elevenlabs.base_url, httpx_client=http)
    answer: Any = await client.speech_to_text.convert(
        model_id="scribe_v1", file=("a.wav", spoken), diarize=True, keyterms=["fox", "dog"]
    )
    SpeechToTextChunkResponseModel.model_validate(answer.model_dump())
    assert (answer.text, answer.language_code) == (SAID, "eng")
    assert [word.type for word in answer.words[:3]] == ["word", "spacing", "word"]
    assert {word.speaker_id for word in answer.words} == {"speaker_0", "speaker_1"}
    assert elevenlabs.refused == []


async def test_elevenlabs_refuses(elevenlabs: ElevenLabsServer, spoken: bytes, http: httpx.AsyncClient) -> None:
    client = AsyncElevenLabs(api_key=ELEVENLABS_KEY, base_url=elevenlabs.base_url, httpx_client=http)
    cases: list[tuple[dict[str, Any], int]] = [
        ({"model_id": "whisper-1", "file": ("a.wav", spoken)}, 400),
        ({"model_id": "scribe_v1"}, 400),
        ({"model_id": "scribe_v1", "file": ("a.wav", b"PK\x03\x04")}, 400),
        ({"model_id": "scribe_v1", "file": ("a.wav", spoken), "timestamps_granularity": "segment"}, 422),
        ({"model_id": "scribe_v1", "file": ("a.wav", spoken), "num_speakers": 33}, 422),
    ]
    for options, status in cases:
        with pytest.raises(ElevenLabsError) as caught:
            await client.speech_to_text.convert(**options)
        assert caught.value.status_code == status


# ---------------------------------------------------------------- Google


def google_client(server: GoogleSttServer) -> speech_v1.SpeechClient:
    return speech_v1.SpeechClient(transport="rest", client_options={"api_endpoint": server.origin, "api_key": API_KEY})


async def test_google_v1_gives_results_with_times(google: GoogleSttServer, spoken: bytes) -> None:
    config = speech_v1.RecognitionConfig(
        language_code="en-US", enable_word_time_offsets=True, model="latest_short", sample_rate_hertz=24_000
    )
    audio = speech_v1.RecognitionAudio(content=spoken)
    answer: Any = await asyncio.to_thread(google_client(google).recognize, config=config, audio=audio)
    assert "".join(result.alternatives[0].transcript for result in answer.results) == SAID
    assert answer.results[0].language_code == "en-us"
    assert answer.total_billed_time.total_seconds() == 3
    assert answer.results[0].alternatives[0].words[1].start_time.total_seconds() > 0


@pytest.mark.parametrize(
    "change",
    [
        {"sample_rate_hertz": 16_000},
        {"audio_channel_count": 2},
        {"encoding": "MP3"},
        {"language_code": "english"},
        {"model": "chirp_3"},
    ],
)
async def test_google_v1_refuses_what_does_not_match_the_file(
    google: GoogleSttServer, spoken: bytes, change: dict[str, Any]
) -> None:
    options: dict[str, Any] = {"language_code": "en-US", "sample_rate_hertz": 24_000} | change
    audio = speech_v1.RecognitionAudio(content=spoken)
    with pytest.raises(BadRequest):
        await asyncio.to_thread(
            google_client(google).recognize, config=speech_v1.RecognitionConfig(**options), audio=audio
        )


async def test_google_v2_wants_a_token_and_its_own_fields(google: GoogleSttServer, spoken: bytes) -> None:
    path = f"/v2/projects/{PROJECT}/locations/global/recognizers/_:recognize"
    config = {"autoDecodingConfig": {}, "model": "long", "languageCodes": ["en-US"]}
    body = {"config": config, "content": base64.b64encode(spoken).decode()}
    cases: list[tuple[dict[str, str], dict[str, Any], int]] = [
        ({"authorization": f"Bearer {ACCESS_TOKEN}"}, body, 200),
        ({"x-goog-api-key": API_KEY}, body, 401),
        ({"authorization": "Bearer wrong"}, body, 401),
        ({"authorization": f"Bearer {ACCESS_TOKEN}"}, body | {"content": "***"}, 400),
        ({"authorization": f"Bearer {ACCESS_TOKEN}"}, {**body, "config": {**config, "languageCode": "en-US"}}, 400),
    ]
    async with aiohttp.ClientSession(google.origin) as http:
        for headers, sent, status in cases:
            async with http.post(path, json=sent, headers=headers) as response:
                assert response.status == status
                answer = await response.json()
                assert status == 200 or answer["error"]["status"] in ("UNAUTHENTICATED", "INVALID_ARGUMENT")


def test_the_fixture_is_real_audio(spoken: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(spoken)
    with av.open(str(tmp_path / "a.wav")) as file:
        assert file.streams.audio[0].rate == 24_000

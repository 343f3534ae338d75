"""The fake Google Text-to-Speech under Google's own client, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from google.api_core.exceptions import BadRequest, ServiceUnavailable
from google.cloud import texttospeech_v1 as tts

from tests.plugins.spoken import hear
from tests.vendors.faults import Fault
from tests.vendors.google_tts import ACCESS_TOKEN, API_KEY, GoogleTtsServer

GOOD: dict[str, Any] = {
    "input": {"text": "Hello there."},
    "voice": {"languageCode": "en-US", "name": "en-US-Chirp3-HD-Kore"},
    "audioConfig": {"audioEncoding": "MP3"},
}


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[GoogleTtsServer]:
    async with GoogleTtsServer() as server:
        yield server


async def call(vendor: GoogleTtsServer, method: str, api_key: str = API_KEY, **wish: Any) -> Any:
    """Call a method of the official client, which blocks."""

    def blocking() -> Any:
        options = {"api_endpoint": vendor.base_url, "api_key": api_key}
        with tts.TextToSpeechClient(transport="rest", client_options=options) as client:
            return getattr(client, method)(**wish)

    return await asyncio.to_thread(blocking)


async def post(vendor: GoogleTtsServer, body: Any, **headers: str) -> tuple[int, Any]:
    given = {"x-goog-api-key": API_KEY} | headers
    async with aiohttp.ClientSession() as session:
        async with session.post(vendor.base_url + "/v1/text:synthesize", json=body, headers=given) as response:
            return response.status, await response.json()


@pytest.mark.parametrize(
    ("encoding", "kind", "codec"),
    [
        ("MP3", "mp3", "mp3"),
        ("OGG_OPUS", "opus", "opus"),
        ("LINEAR16", "wav", "pcm_s16le"),
        ("PCM", "pcm", "pcm_s16le"),
    ],
)
async def test_the_official_client_gets_what_it_asks_for(
    vendor: GoogleTtsServer, encoding: str, kind: str, codec: str
) -> None:
    answer = await call(
        vendor,
        "synthesize_speech",
        input=tts.SynthesisInput(text="Hello there."),
        voice=tts.VoiceSelectionParams(language_code="en-US", name="en-US-Chirp3-HD-Kore"),
        audio_config=tts.AudioConfig(audio_encoding=encoding, sample_rate_hertz=24_000, speaking_rate=1.25),
    )
    assert hear(answer.audio_content, kind).codec == codec
    assert vendor.refused == []
    assert vendor.requests[0].model == "chirp3-hd"


async def test_the_official_client_lists_voices(vendor: GoogleTtsServer) -> None:
    voices = (await call(vendor, "list_voices", language_code="de-DE")).voices
    assert {voice.language_codes[0] for voice in voices} == {"de-DE"}


async def test_the_official_client_reads_its_errors(vendor: GoogleTtsServer) -> None:
    with pytest.raises(BadRequest, match="API key not valid"):
        await call(vendor, "list_voices", "wrong")
    vendor.faults.add(Fault("status", status=503, times=None))
    with pytest.raises(ServiceUnavailable):
        await call(vendor, "list_voices", retry=None)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 200),
        ({"input": {"ssml": "<speak>Hi</speak>"}}, 200),
        ({"input": {"ssml": "<speak>Hi"}}, 400),
        ({"input": {"ssml": "<p>Hi</p>"}}, 400),
        ({"input": {"text": "a", "ssml": "<speak>a</speak>"}}, 400),
        ({"input": {}}, 400),
        ({"input": {"text": " "}}, 400),
        ({"input": {"text": "é" * 2_500}}, 200),
        ({"input": {"text": "é" * 2_500 + "a"}}, 400),
        ({"voice": {"name": "en-US-Chirp3-HD-Kore"}}, 400),
        ({"voice": {"languageCode": "en-GB", "name": "en-US-Chirp3-HD-Kore"}}, 400),
        ({"voice": {"languageCode": "en-US", "name": "en-US-Chirp3-HD-Nobody"}}, 400),
        ({"audioConfig": {}}, 400),
        ({"audioConfig": {"audioEncoding": "mp3"}}, 400),
        ({"audioConfig": {"audioEncoding": "FLAC"}}, 400),
        ({"audioConfig": {"audioEncoding": "MP3", "speakingRate": 0.25}}, 200),
        ({"audioConfig": {"audioEncoding": "MP3", "speakingRate": 0.24}}, 400),
        ({"audioConfig": {"audioEncoding": "MP3", "speakingRate": 2.01}}, 400),
        ({"audioConfig": {"audioEncoding": "OGG_OPUS", "sampleRateHertz": 22_050}}, 400),
        ({"audioConfig": {"audioEncoding": "MP3", "sampleRateHertz": "fast"}}, 400),
        ({"speed": 1}, 400),
    ],
)
async def test_what_the_vendor_would_refuse_is_refused(
    vendor: GoogleTtsServer, change: dict[str, Any], status: int
) -> None:
    found, body = await post(vendor, GOOD | change)
    assert found == status, body
    if status != 200:
        assert (body["error"]["code"], body["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert vendor.refused


async def test_keys_and_tokens(vendor: GoogleTtsServer) -> None:
    async with aiohttp.ClientSession() as session:
        url = vendor.base_url + "/v1/text:synthesize"
        for headers, status in (
            ({}, 401),
            ({"authorization": "Bearer wrong"}, 401),
            ({"authorization": f"Bearer {ACCESS_TOKEN}"}, 200),
            ({"x-goog-api-key": "wrong"}, 400),
            ({"x-goog-api-key": API_KEY, "authorization": f"Bearer {ACCESS_TOKEN}"}, 401),
        ):
            async with session.post(url, json=GOOD, headers=headers) as response:
                assert response.status == status, headers
        async with session.post(f"{url}?key={API_KEY}", json=GOOD) as response:
            assert response.status == 200

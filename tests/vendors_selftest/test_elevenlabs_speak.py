"""The fake ElevenLabs' speech under ElevenLabs' own client, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
import pytest_asyncio
from elevenlabs.client import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.types.voice_settings import VoiceSettings

from tests.plugins.spoken import hear
from tests.vendors.elevenlabs import API_KEY, ElevenLabsServer
from tests.vendors.faults import Fault

VOICE = "EXAVITQu4vr4xnSDxMaL"


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[ElevenLabsServer]:
    async with ElevenLabsServer() as server:
        yield server


async def generate(vendor: ElevenLabsServer, api_key: str = API_KEY, **wish: Any) -> bytes:
    options: Any = {"max_retries": 0}
    wish = {"voice_id": VOICE, "text": "Hello there.", "model_id": "eleven_flash_v2_5"} | wish
    async with httpx.AsyncClient() as http:
        client = AsyncElevenLabs(base_url=vendor.base_url, api_key=api_key, httpx_client=http)
        return b"".join([piece async for piece in client.text_to_speech.stream(request_options=options, **wish)])


@pytest.mark.parametrize(
    ("word", "kind", "codec", "rate_hz"),
    [
        ("mp3_44100_128", "mp3", "mp3", 44_100),
        ("mp3_24000_48", "mp3", "mp3", 24_000),
        ("opus_48000_64", "opus", "opus", 48_000),
        ("pcm_24000", "pcm", "pcm_s16le", 24_000),
    ],
)
async def test_the_official_client_gets_what_it_asks_for(
    vendor: ElevenLabsServer, word: str, kind: str, codec: str, rate_hz: int
) -> None:
    settings = VoiceSettings(stability=0.5, speed=1.1)
    heard = hear(await generate(vendor, output_format=word, voice_settings=settings), kind)
    assert (heard.codec, heard.rate_hz) == (codec, rate_hz)
    assert vendor.refused == []


async def test_the_official_client_reads_its_errors(vendor: ElevenLabsServer) -> None:
    vendor.faults.add(Fault("status", status=429, code="system_busy"))
    with pytest.raises(ApiError) as caught:
        await generate(vendor)
    assert (caught.value.status_code, caught.value.body["detail"]["status"]) == (429, "system_busy")
    with pytest.raises(ApiError) as caught:
        await generate(vendor, api_key="wrong")
    assert (caught.value.status_code, caught.value.body["detail"]["status"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("path", "change", "status", "cost"),
    [
        ("", {}, 200, "2"),
        ("/stream", {}, 200, "2"),
        ("/stream", {"model_id": "eleven_flash_v2_5"}, 200, "1"),
        ("/stream?output_format=pcm_24000", {}, 200, "2"),
        ("/stream?output_format=wav_24000", {}, 422, None),
        ("/stream?output_format=flac", {}, 422, None),
        ("/stream?format=pcm_24000", {}, 422, None),
        ("/stream", {"text": " "}, 400, None),
        ("/stream", {"text": None}, 422, None),
        ("/stream", {"voice": "x"}, 422, None),
        ("/stream", {"speed": 1.1}, 422, None),
        ("/stream", {"voice_settings": {"speed": 0.7}}, 200, "2"),
        ("/stream", {"voice_settings": {"speed": 0.69}}, 400, None),
        ("/stream", {"voice_settings": {"pace": 1}}, 422, None),
        ("/stream", {"model_id": "eleven_nothing"}, 400, None),
        ("/stream", {"language_code": "de"}, 400, None),  # multilingual models refuse it
        ("/stream?output_format=pcm_8000", {"text": "a" + " " * 9_999}, 200, "10000"),
        ("/stream", {"text": "a" * 10_001}, 400, None),
    ],
)
async def test_what_the_vendor_would_refuse_is_refused(
    vendor: ElevenLabsServer, path: str, change: dict[str, Any], status: int, cost: str | None
) -> None:
    url = f"{vendor.base_url}/v1/text-to-speech/{VOICE}{path}"
    async with aiohttp.ClientSession(headers={"xi-api-key": API_KEY}) as session:
        body = {"text": "Hi", "model_id": "eleven_multilingual_v2"} | change
        async with session.post(url, json=body) as response:
            text = await response.read()
    assert response.status == status, text[:300]
    assert response.headers.get("character-cost") == cost


async def test_an_unknown_voice_is_a_404(vendor: ElevenLabsServer) -> None:
    with pytest.raises(ApiError) as caught:
        await generate(vendor, voice_id="nobody")
    assert (caught.value.status_code, caught.value.body["detail"]["status"]) == (404, "voice_not_found")

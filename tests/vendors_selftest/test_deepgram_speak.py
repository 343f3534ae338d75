"""The fake Deepgram's speech under Deepgram's own client, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
import pytest_asyncio
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

from tests.plugins.spoken import hear
from tests.vendors.deepgram import API_KEY, DeepgramServer
from tests.vendors.faults import Fault

# The SDK asks websockets for a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[DeepgramServer]:
    async with DeepgramServer() as server:
        yield server


async def generate(vendor: DeepgramServer, api_key: str = API_KEY, **wish: Any) -> bytes:
    url = vendor.base_url
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    options: Any = {"max_retries": 0}
    async with httpx.AsyncClient() as http:
        client = AsyncDeepgramClient(api_key=api_key, environment=environment, httpx_client=http)
        pieces = client.speak.v1.audio.generate(text="Hello there.", request_options=options, **wish)
        return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize(
    ("wish", "kind", "codec", "rate_hz"),
    [
        ({}, "mp3", "mp3", 22_050),
        ({"encoding": "opus"}, "opus", "opus", 48_000),
        ({"encoding": "aac"}, "aac", "aac", 22_050),
        ({"encoding": "flac", "sample_rate": 16_000}, "flac", "flac", 16_000),
        ({"encoding": "linear16"}, "wav", "pcm_s16le", 24_000),
        ({"encoding": "linear16", "container": "none", "sample_rate": 24_000}, "pcm", "pcm_s16le", 24_000),
    ],
)
async def test_the_official_client_gets_what_it_asks_for(
    vendor: DeepgramServer, wish: dict[str, Any], kind: str, codec: str, rate_hz: int
) -> None:
    heard = hear(await generate(vendor, model="aura-2-thalia-en", **wish), kind)
    assert (heard.codec, heard.rate_hz) == (codec, rate_hz)
    assert vendor.refused == []


async def test_the_official_client_reads_its_errors(vendor: DeepgramServer) -> None:
    with pytest.raises(ApiError) as caught:
        await generate(vendor, "wrong")
    assert caught.value.status_code == 401
    vendor.faults.add(Fault("status", status=503))
    with pytest.raises(ApiError) as caught:
        await generate(vendor)
    assert caught.value.status_code == 503


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("", {"text": "Hi"}, 200),
        ("?encoding=mp3&bit_rate=32000", {"text": "Hi"}, 200),
        ("?encoding=mp3&sample_rate=24000", {"text": "Hi"}, 400),
        ("?encoding=mp3&container=wav", {"text": "Hi"}, 400),
        ("?encoding=wav", {"text": "Hi"}, 400),
        ("?encoding=flac&sample_rate=24000", {"text": "Hi"}, 400),
        ("?encoding=linear16&sample_rate=44100", {"text": "Hi"}, 400),
        ("?model=aura-2-nobody-en", {"text": "Hi"}, 400),
        ("?model=aura-2-thalia-en&speed=0.7", {"text": "Hi"}, 200),
        ("?model=aura-2-thalia-en&speed=0.69", {"text": "Hi"}, 400),
        ("?model=aura-2-livia-it&speed=1.1", {"text": "Hi"}, 400),
        ("?voice=thalia", {"text": "Hi"}, 400),
        ("?encoding=mp3&encoding=mp3", {"text": "Hi"}, 400),
        ("?mip_opt_out=yes", {"text": "Hi"}, 400),
        ("", {"text": ""}, 400),
        ("", {"text": "Hi", "voice": "x"}, 400),
        ("", {"text": "a" * 2_000}, 200),
        ("", {"text": "a" * 2_001}, 413),
    ],
)
async def test_what_the_vendor_would_refuse_is_refused(
    vendor: DeepgramServer, query: str, body: dict[str, Any], status: int
) -> None:
    headers = {"authorization": f"Token {API_KEY}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.post(f"{vendor.base_url}/v1/speak{query}", json=body) as response:
            text = await response.read()
    assert response.status == status, text[:300]
    if status == 200:
        assert response.headers["dg-char-count"] == str(len(body["text"]))
    else:
        assert b"err_code" in text

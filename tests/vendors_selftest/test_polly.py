"""The fake Polly under boto3, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import boto3
import pytest
import pytest_asyncio
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.plugins.spoken import hear
from tests.vendors.faults import Fault
from tests.vendors.polly import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, PollyServer

GOOD = {"Text": "Hello there.", "OutputFormat": "mp3", "VoiceId": "Joanna", "Engine": "neural"}


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[PollyServer]:
    async with PollyServer() as server:
        yield server


async def synthesize(vendor: PollyServer, secret: str = SECRET_ACCESS_KEY, **wish: Any) -> tuple[bytes, Any]:
    def call() -> tuple[bytes, Any]:
        client = boto3.client(
            "polly",
            endpoint_url=vendor.base_url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 1, "mode": "standard"}),
        )
        try:
            answer = client.synthesize_speech(**wish)
            return answer["AudioStream"].read(), answer
        finally:
            client.close()

    return await asyncio.to_thread(call)


@pytest.mark.parametrize(
    ("name", "kind", "codec", "rate"),
    [("mp3", "mp3", "mp3", "24000"), ("ogg_opus", "opus", "opus", "48000"), ("pcm", "pcm", "pcm_s16le", "16000")],
)
async def test_boto3_gets_what_it_asks_for(vendor: PollyServer, name: str, kind: str, codec: str, rate: str) -> None:
    audio, answer = await synthesize(vendor, **GOOD | {"OutputFormat": name, "SampleRate": rate})
    heard = hear(audio, kind, int(rate))
    assert (heard.codec, heard.rate_hz) == (codec, int(rate))
    assert answer["RequestCharacters"] == 12
    assert vendor.refused == []


async def test_tags_are_not_billed(vendor: PollyServer) -> None:
    text = '<speak><prosody rate="150%">Hello &amp; there.</prosody></speak>'
    _, answer = await synthesize(vendor, **GOOD | {"Text": text, "TextType": "ssml"})
    assert answer["RequestCharacters"] == len("Hello & there.")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"OutputFormat": "wav"}, "ValidationException"),
        ({"OutputFormat": "pcm", "SampleRate": "24000"}, "InvalidSampleRateException"),
        ({"VoiceId": "nova"}, "ValidationException"),
        ({"VoiceId": "Gregory", "Engine": "generative"}, "EngineNotSupportedException"),
        ({"Text": "a" * 3_001}, "TextLengthExceededException"),
        ({"Text": "<speak>" + "<break/>" * 750 + "</speak>", "TextType": "ssml"}, "TextLengthExceededException"),
        ({"Text": "<speak>a & b</speak>", "TextType": "ssml"}, "InvalidSsmlException"),
        ({"Text": '<speak><prosody rate="300%">a</prosody></speak>', "TextType": "ssml"}, "InvalidSsmlException"),
    ],
)
async def test_what_the_vendor_would_refuse_is_refused_by_name(
    vendor: PollyServer, change: dict[str, str], code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        await synthesize(vendor, **GOOD | change)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("size", [2_999, 3_000])
async def test_the_longest_text_is_spoken(vendor: PollyServer, size: int) -> None:
    await synthesize(vendor, **GOOD | {"Text": "Hi" + " " * (size - 2), "OutputFormat": "pcm"})
    assert vendor.refused == []


async def test_a_wrong_secret_and_an_unsigned_request_are_refused(vendor: PollyServer) -> None:
    with pytest.raises(ClientError) as caught:
        await synthesize(vendor, secret="wrong", **GOOD)
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    async with aiohttp.ClientSession() as session:
        async with session.post(vendor.base_url + "/v1/speech", json=GOOD) as response:
            assert response.status == 403
            assert response.headers["x-amzn-ErrorType"].startswith("MissingAuthenticationTokenException:")


async def test_throttling_is_a_400_that_boto3_retries(vendor: PollyServer) -> None:
    vendor.faults.add(Fault("status", status=400, code="ThrottlingException"))
    await synthesize(vendor, **GOOD)
    assert [record.status for record in vendor.requests] == [400, 200]

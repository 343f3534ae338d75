"""Speech that is billed by tokens is asked for as events, which alone say how many; the client hears the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from openai import APIConnectionError, AsyncOpenAI

from tests.harness import inside
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer
from tests.vendors.openai.speech import speech_usage

PROVIDERS = """
version: 1
providers:
  vendor:
    plugin: openai
    base_url: {base_url}
    credentials: {{api_key: {key}}}
    models:
      gpt-4o-mini-tts:
        operation: speech
        options: {{speech_usage: true}}
        price: {{input_usd_per_mtok: 600, output_usd_per_mtok: 12000}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:0"}
keys: {anonymous: loopback}
models: {speak: {operation: speech, targets: [vendor/gpt-4o-mini-tts]}}
routes: [{path: /v1/audio/speech, dialect: openai.speech}]
"""


@pytest.mark.parametrize("format", ["mp3", "wav", "pcm"])
async def test_tokens_are_charged_and_the_audio_is_what_the_vendor_made(tmp_path: Path, format: str) -> None:
    async with (
        OpenAIServer() as vendor,
        inside(tmp_path, PROVIDERS.format(base_url=vendor.base_url, key=API_KEY), ROUTES) as gateway,
    ):
        given = {"voice": "nova", "input": "good morning", "response_format": format}
        async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key="x", max_retries=0) as client:
            heard = await client.audio.speech.create(model="speak", **given)  # type: ignore[arg-type]
        async with AsyncOpenAI(base_url=vendor.base_url, api_key=API_KEY, max_retries=0) as client:
            direct = await client.audio.speech.create(model="gpt-4o-mini-tts", **given)  # type: ignore[arg-type]
        assert heard.content == direct.content
        usage = speech_usage(given | {"model": "gpt-4o-mini-tts"})
        expected = usage["input_tokens"] * 600e-6 + usage["output_tokens"] * 12000e-6
        metric = gateway.services.metrics.registry.get_sample_value(
            "gateway_cost_usd_total", {"target": "vendor/gpt-4o-mini-tts"}
        )
        assert metric == pytest.approx(expected)
        assert vendor.refused == []


async def test_events_that_end_without_their_last_are_a_cut(tmp_path: Path) -> None:
    async with (
        OpenAIServer() as vendor,
        inside(tmp_path, PROVIDERS.format(base_url=vendor.base_url, key=API_KEY), ROUTES) as gateway,
    ):
        vendor.faults.add(Fault("cut_without_terminator", after_events=2, times=None))
        async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key="x", max_retries=0) as client:
            with pytest.raises(APIConnectionError):
                await client.audio.speech.create(
                    model="speak", voice="nova", input="a b c " * 20, response_format="pcm"
                )

"""The official client, unchanged but for its base URL, gets every operation: from the sandbox, and from a vendor."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.harness import ROUTES, SANDBOX, Inside, inside, process
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

KEY = "any-key-will-do"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path) as running:
        yield running


@pytest.fixture
async def client(gateway: Inside) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=gateway.url + "/v1", api_key=KEY, max_retries=0) as it:
        yield it


# ---------------------------------------------------------------- the sandbox, translated


async def test_a_chat_is_answered(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "zebra crossing"}]
    )

    assert answer.choices[0].message.content == "zebra crossing"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_a_stream_is_the_same_text_and_its_usage_comes_only_when_asked_for(client: AsyncOpenAI) -> None:
    text = "one two three four five six seven eight nine ten"
    for wants_usage in (True, False):
        stream = await client.chat.completions.create(
            model="chat",
            messages=[{"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True} if wants_usage else openai.omit,
        )
        chunks = [chunk async for chunk in stream]

        assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == text
        assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == [
            "stop"
        ]
        usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
        assert [usage.model_dump()["cost_usd"] > 0 for usage in usages] == [True] * wants_usage


async def test_tools_and_schemas_are_honoured(client: AsyncOpenAI) -> None:
    class Town(BaseModel):
        name: str
        people: int

    parsed = await client.chat.completions.parse(
        model="chat", messages=[{"role": "user", "content": "a town"}], response_format=Town
    )
    assert isinstance(parsed.choices[0].message.parsed, Town)

    answer = await client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "weather"}],
        tools=[
            {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
        ],
        tool_choice="required",
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"


async def test_embeddings_come_as_numbers_and_as_base64(client: AsyncOpenAI) -> None:
    as_base64 = await client.embeddings.create(model="embed", input=["one", "two"])  # the client's default
    as_numbers = await client.embeddings.create(model="embed", input=["one", "two"], encoding_format="float")

    assert [item.index for item in as_base64.data] == [0, 1]
    for packed, plain in zip(as_base64.data, as_numbers.data, strict=True):
        assert packed.embedding == pytest.approx(plain.embedding, abs=1e-6)


@pytest.mark.parametrize("text", ["hello world", "¿Qué tal? 你好 🎙 — done."])
@pytest.mark.parametrize("format", ["wav", "mp3"])
async def test_what_is_spoken_is_transcribed_back(client: AsyncOpenAI, text: str, format: str) -> None:
    speech = await client.audio.speech.create(model="speak", voice="nova", input=text, response_format=format)  # type: ignore[arg-type]
    audio = speech.content

    answer = await client.audio.transcriptions.create(model="transcribe", file=(f"a.{format}", audio))
    assert answer.text == text


async def test_speech_is_real_audio_at_the_promised_rate(client: AsyncOpenAI) -> None:
    wav = (
        await client.audio.speech.create(model="speak", voice="alloy", input="one two", response_format="wav")
    ).content
    pcm = await client.audio.speech.create(model="speak", voice="alloy", input="one two", response_format="pcm")

    with wave.open(io.BytesIO(wav)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (24_000, 1, 2)
    assert "rate=24000" in pcm.response.headers["content-type"]
    assert max(pcm.content[1::2]) > 0


async def test_speech_streams(client: AsyncOpenAI) -> None:
    async with client.audio.speech.with_streaming_response.create(
        model="speak", voice="alloy", input="word " * 200, response_format="pcm"
    ) as response:
        chunks = [chunk async for chunk in response.iter_bytes()]

    assert len(chunks) > 1
    assert response.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("format", ["json", "text", "srt", "verbose_json", "vtt"])
async def test_every_transcript_format_is_rendered(client: AsyncOpenAI, format: str) -> None:
    audio = (
        await client.audio.speech.create(model="speak", voice="alloy", input="one two", response_format="wav")
    ).content

    answer = await client.audio.transcriptions.create(model="transcribe", file=("a.wav", audio), response_format=format)  # type: ignore[call-overload]

    text = answer if isinstance(answer, str) else answer.text
    assert "one two" in text
    assert text.startswith("WEBVTT") == (format == "vtt")
    assert ("-->" in text) == (format in ("srt", "vtt"))


async def test_models_are_listed_and_retrieved(client: AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]

    assert {"chat", "speak", "transcribe", "embed", "sandbox/chat"} <= set(names)
    assert (await client.models.retrieve("chat")).owned_by == "sandbox"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nothing")


async def test_a_provider_and_its_model_are_a_model_name(client: AsyncOpenAI) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="sandbox/chat", messages=[{"role": "user", "content": "x"}]
    )

    assert raw.headers["x-gateway-provider"] == "sandbox"
    assert raw.headers["x-gateway-model"] == "chat"
    assert float(raw.headers["x-gateway-cost-usd"]) > 0


async def test_an_unknown_model_is_a_404_that_knows_better(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(model="chatt", messages=[{"role": "user", "content": "x"}])

    assert caught.value.code == "model_not_found"
    assert "did you mean chat" in caught.value.message


async def test_the_synchronous_client_works_on_the_real_process(tmp_path: Path) -> None:
    def talk(url: str) -> None:
        with OpenAI(base_url=url + "/v1", api_key=KEY) as client:
            answer = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "sync"}])
            assert answer.choices[0].message.content == "sync"
            stream = client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "sync stream"}], stream=True
            )
            assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "sync stream"
            with client.audio.speech.with_streaming_response.create(
                model="speak", voice="nova", input="sync speech", response_format="wav"
            ) as speech:
                audio = b"".join(speech.iter_bytes())
            heard = client.audio.transcriptions.create(model="transcribe", file=("a.wav", audio))
            assert heard.text == "sync speech"

    async with process(tmp_path) as gateway:
        await asyncio.to_thread(talk, gateway.url)
        assert await gateway.stop() == 0


# ---------------------------------------------------------------- a vendor, verbatim

VENDOR = """
version: 1
providers:
  vendor:
    plugin: openai
    base_url: {base_url}
    credentials: {{api_key: {key}}}
    models:
      gpt-4o-mini: {{operation: chat, price: {{input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6}}}}
      tts-1: {{operation: speech, formats: [mp3, opus, aac, flac, wav, pcm], price: {{usd_per_mchar: 15}}}}
      whisper-1: {{operation: transcription, price: {{usd_per_audio_minute: 0.006}}}}
      text-embedding-3-small: {{operation: embeddings, price: {{input_usd_per_mtok: 0.02}}}}
"""

VENDOR_ROUTES = (
    ROUTES.replace("sandbox/chat", "vendor/gpt-4o-mini")
    .replace("sandbox/speech", "vendor/tts-1")
    .replace("sandbox/transcription", "vendor/whisper-1")
    .replace("sandbox/embeddings", "vendor/text-embedding-3-small")
)


@pytest.fixture
async def vendor() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server
        assert server.refused == []


@pytest.fixture
async def through(tmp_path: Path, vendor: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY)
    async with (
        inside(tmp_path, providers, VENDOR_ROUTES) as running,
        AsyncOpenAI(base_url=running.url + "/v1", api_key=KEY, max_retries=0) as client,
    ):
        yield client


async def test_the_vendor_sees_the_clients_bytes_with_its_own_model_and_key(
    through: AsyncOpenAI, vendor: OpenAIServer
) -> None:
    raw = await through.chat.completions.with_raw_response.create(
        model="chat", messages=[{"role": "user", "content": "verbatim"}], metadata={"a": "b"}, seed=7
    )

    sent = vendor.requests[-1]
    assert sent.json() == {
        "messages": [{"role": "user", "content": "verbatim"}],
        "model": "gpt-4o-mini",
        "metadata": {"a": "b"},
        "seed": 7,
    }
    assert sent.header("authorization") == f"Bearer {API_KEY}"
    assert KEY not in str(sent.headers)
    usage = raw.parse().usage
    assert usage is not None
    expected = usage.prompt_tokens * 0.15e-6 + usage.completion_tokens * 0.6e-6
    assert float(raw.headers["x-gateway-cost-usd"]) == pytest.approx(expected, abs=1e-9)


async def test_a_streams_usage_is_asked_for_and_kept_from_a_client_that_did_not(
    through: AsyncOpenAI, vendor: OpenAIServer
) -> None:
    stream = await through.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "quiet"}], stream=True
    )
    chunks = [chunk async for chunk in stream]

    assert vendor.requests[-1].json()["stream_options"] == {"include_usage": True}
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


async def test_a_vendors_own_stream_ends_with_what_it_cost(through: AsyncOpenAI) -> None:
    stream = await through.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "quiet"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    [usage] = [chunk.usage async for chunk in stream if chunk.usage is not None]
    expected = usage.prompt_tokens * 0.15e-6 + usage.completion_tokens * 0.6e-6
    assert usage.model_dump()["cost_usd"] == pytest.approx(expected, abs=1e-9)


async def test_speech_transcription_and_embeddings_pass_through(through: AsyncOpenAI, vendor: OpenAIServer) -> None:
    audio = await through.audio.speech.create(model="speak", voice="nova", input="hello", response_format="wav")
    assert audio.content[:4] == b"RIFF"
    assert audio.response.headers["content-type"] == "audio/wav"

    for format in ("json", "verbose_json", "srt"):
        heard = await through.audio.transcriptions.create(
            model="transcribe",
            file=("a.wav", audio.content),
            response_format=format,
        )
        assert heard if isinstance(heard, str) else heard.text

    vectors = await through.embeddings.create(model="embed", input="hello")
    assert len(vectors.data[0].embedding) == 1536


async def test_a_vendors_refusal_of_the_request_reaches_the_client_as_the_vendor_said_it(
    through: AsyncOpenAI, vendor: OpenAIServer
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await through.chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "x"}], extra_body={"nonsense": 1}
        )

    assert "nonsense" in caught.value.message
    vendor.requests.clear()


async def test_a_wrong_vendor_key_is_the_operators_fault_and_is_not_shown(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        providers = VENDOR.format(base_url=vendor.base_url, key="sim-wrong-key-0123456789")
        async with (
            inside(tmp_path, providers, VENDOR_ROUTES) as running,
            AsyncOpenAI(base_url=running.url + "/v1", api_key=KEY, max_retries=0) as client,
        ):
            with pytest.raises(openai.InternalServerError) as caught:
                await client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "x"}])

    assert caught.value.status_code == 502
    assert "sim-wrong" not in caught.value.message


async def test_a_failing_first_target_is_invisible_but_for_the_headers(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        vendor.faults.add(Fault("status", status=503, times=None))
        providers = VENDOR.format(base_url=vendor.base_url, key=API_KEY) + SANDBOX.split("providers:\n")[1]
        routes = VENDOR_ROUTES.replace("[vendor/gpt-4o-mini]", "[vendor/gpt-4o-mini, sandbox/chat]")
        async with (
            inside(tmp_path, providers, routes) as running,
            AsyncOpenAI(base_url=running.url + "/v1", api_key=KEY, max_retries=0) as client,
        ):
            raw = await client.chat.completions.with_raw_response.create(
                model="chat", messages=[{"role": "user", "content": "answered all the same"}]
            )

    assert raw.parse().choices[0].message.content == "answered all the same"
    assert raw.headers["x-gateway-provider"] == "sandbox"
    assert raw.headers["x-gateway-attempts"] == "2"

"""The fake OpenAI's transcriptions and translations: every format, real files only, models' own rules."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.vendors.openai.transcription_form import MAX_FILE_BYTES
from tests.vendors.tones import tone_pcm, wav_file
from tests.vendors_selftest.conftest import unknown_fields

PATH = "/v1/audio/transcriptions"


async def transcribe(client: AsyncOpenAI, wav: bytes, model: str = "whisper-1", **options: Any) -> Any:
    return await client.audio.transcriptions.create(model=model, file=("a.wav", wav), **options)


async def test_json_names_the_recording_and_its_usage(client: AsyncOpenAI, one_second_wav: bytes) -> None:
    seconds = await transcribe(client, one_second_wav)
    tokens = await transcribe(client, one_second_wav, "gpt-4o-transcribe", prompt="abcd", include=["logprobs"])
    other = await transcribe(client, wav_file(tone_pcm(200, 1.0)))
    assert unknown_fields(seconds) == unknown_fields(tokens) == []
    assert seconds.text.startswith("This is openai/whisper-1 and the recording is ")
    assert seconds.text != other.text
    assert seconds.usage.to_dict() == {"type": "duration", "seconds": 1}
    assert (tokens.usage.input_tokens, tokens.usage.input_token_details.audio_tokens) == (11, 10)
    assert "".join(entry.token for entry in tokens.logprobs) == tokens.text.replace(" ", "")


async def test_verbose_json_has_the_granularities_asked_for(client: AsyncOpenAI, one_second_wav: bytes) -> None:
    plain = await transcribe(client, one_second_wav, response_format="verbose_json", language="de")
    words = await transcribe(client, one_second_wav, response_format="verbose_json", timestamp_granularities=["word"])
    assert unknown_fields(plain) == [".task"]  # the SDK's model lacks it, the API sends it
    assert (plain.language, plain.duration, plain.words) == ("german", 1.0, None)
    assert " ".join(segment.text.strip() for segment in plain.segments) == plain.text
    assert words.segments is None
    assert [word.word for word in words.words] == words.text.split()
    assert words.words[-1].end == 1.0


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("text", "This is openai/whisper-1"),
        ("srt", "1\n00:00:00,000 --> 00:00:00,500\nThis is openai/whisper-1 and\n\n2\n00:00:00,500 --> "),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\nThis is openai/whisper-1 and\n\n00:00:00.500 --> "),
    ],
)
async def test_plain_formats(client: AsyncOpenAI, one_second_wav: bytes, name: Any, start: str) -> None:
    answer: Any = await transcribe(client, one_second_wav, response_format=name)
    assert answer.startswith(start)


async def test_diarized_json_lets_speakers_take_turns(client: AsyncOpenAI, one_second_wav: bytes) -> None:
    model = "gpt-4o-transcribe-diarize"
    answer = await transcribe(client, one_second_wav, model, response_format="diarized_json", chunking_strategy="auto")
    assert unknown_fields(answer) == []
    assert [segment.speaker for segment in answer.segments] == ["A", "B"]
    known = {"known_speaker_names": ["ann", "bob"], "known_speaker_references": ["data:audio/wav;base64,AA=="] * 2}
    answer = await transcribe(client, one_second_wav, model, response_format="diarized_json", extra_body=known)
    assert [segment.speaker for segment in answer.segments] == ["ann", "bob"]


async def test_streams_end_with_done_and_whisper_ignores_stream(client: AsyncOpenAI, one_second_wav: bytes) -> None:
    stream = await transcribe(client, one_second_wav, "gpt-4o-mini-transcribe", stream=True)
    events = [event async for event in stream]
    assert [unknown_fields(event) for event in events] == [[]] * len(events)
    assert "".join(event.delta for event in events[:-1]) == events[-1].text
    assert (events[-1].type, events[-1].usage.total_tokens > 0) == ("transcript.text.done", True)
    form = aiohttp.FormData({"model": "whisper-1", "stream": "true"})
    form.add_field("file", one_second_wav, filename="a.wav")
    async with aiohttp.ClientSession() as http:
        headers = {"authorization": f"Bearer {client.api_key}"}
        async with http.post(f"{client.base_url}audio/transcriptions", data=form, headers=headers) as response:
            assert response.headers["content-type"] == "application/json"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK marks the endpoint so
async def test_translations(client: AsyncOpenAI, one_second_wav: bytes) -> None:
    plain = await client.audio.translations.create(model="whisper-1", file=("a.wav", one_second_wav))
    assert plain.text.startswith("This is openai/whisper-1")
    verbose: Any = await client.audio.translations.create(
        model="whisper-1", file=("a.wav", one_second_wav), response_format="verbose_json"
    )
    assert (verbose.language, verbose.duration) == ("english", 1.0)


DIARIZE = {"model": "gpt-4o-transcribe-diarize"}
CASES: list[tuple[dict[str, Any], dict[str, Any], int]] = [
    # form fields, file ("name", "content"), status
    ({}, {}, 200),
    ({"timestamp_granularities[]": "word", "response_format": "verbose_json"}, {}, 200),
    ({"timestamp_granularities": "word", "response_format": "verbose_json"}, {}, 400),
    ({"timestamp_granularities[]": "word"}, {}, 400),
    ({"timestamp_granularities[]": "letter", "response_format": "verbose_json"}, {}, 400),
    ({"language[]": "en"}, {}, 400),
    ({"keywords[]": "x", "model": "gpt-transcribe"}, {}, 200),
    ({"keywords[]": "x"}, {}, 400),
    ({"temperature": "1"}, {}, 200),
    ({"temperature": "1.1"}, {}, 400),
    ({"temperature": "warm"}, {}, 400),
    ({"stream": "yes"}, {}, 400),
    ({"nope": "1"}, {}, 400),
    ({"model": "nope"}, {}, 404),
    ({"model": "gpt-4o-transcribe", "response_format": "srt"}, {}, 400),
    ({"model": "whisper-1", "response_format": "diarized_json"}, {}, 400),
    ({**DIARIZE, "chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "0.5"}, {}, 200),
    ({**DIARIZE, "chunking_strategy[type]": "server_vad", "chunking_strategy[loudness]": "1"}, {}, 400),
    ({**DIARIZE, "prompt": "x"}, {}, 400),
    (DIARIZE, {"content": wav_file(tone_pcm(200, 30.0))}, 200),
    (DIARIZE, {"content": wav_file(tone_pcm(200, 30.1))}, 400),
    ({**DIARIZE, "chunking_strategy": "auto"}, {"content": wav_file(tone_pcm(200, 30.1))}, 200),
    ({}, {"name": "a.txt"}, 400),
    ({}, {"name": "audio"}, 400),
    ({}, {"name": "a.mp3"}, 400),  # holds WAV
    ({}, {"content": b"RIFF but not audio"}, 400),
    ({}, {"content": tone_pcm(200, 1.0)}, 400),  # headerless
    ({}, {"content": wav_file(tone_pcm(200, 0.09))}, 400),
    ({}, {"content": wav_file(bytes(MAX_FILE_BYTES))}, 413),
]


@pytest.mark.parametrize(("fields", "file", "status"), CASES)
async def test_rules(
    http: aiohttp.ClientSession, one_second_wav: bytes, fields: dict[str, str], file: dict[str, Any], status: int
) -> None:
    form = aiohttp.FormData({"model": "whisper-1"} | fields)
    content = io.BytesIO(file.get("content", one_second_wav))
    form.add_field("file", content, filename=file.get("name", "a.wav"))
    async with http.post(PATH, data=form) as response:
        assert response.status == status, await response.text()


async def test_a_file_must_be_a_file(http: aiohttp.ClientSession) -> None:
    for fields in ({"model": "whisper-1"}, {"model": "whisper-1", "file": "a"}):
        with aiohttp.MultipartWriter("form-data") as form:
            for name, value in fields.items():
                form.append(value).set_content_disposition("form-data", name=name)
        async with http.post(PATH, data=form) as response:
            assert (response.status, (await response.json())["error"]["param"]) == (400, "file")


async def test_a_form_must_be_multipart(http: aiohttp.ClientSession) -> None:
    async with http.post(PATH, json={"model": "whisper-1"}) as response:
        assert response.status == 400

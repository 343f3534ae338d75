"""Recordings through the real gateway: every way in, the next vendor where one cannot, and bad files that are told."""

from __future__ import annotations

import asyncio
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import APIStatusError, AsyncOpenAI

from gateway.audio import wav
from gateway.types import AudioFormat
from plugins.sandbox.speaking import speak
from tests import harness
from tests.vendors.deepgram import API_KEY as DEEPGRAM_KEY
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.elevenlabs import API_KEY as ELEVENLABS_KEY
from tests.vendors.elevenlabs import ElevenLabsServer
from tests.vendors.faults import Fault
from tests.vendors.google_stt import API_KEY as GOOGLE_KEY
from tests.vendors.google_stt import GoogleSttServer
from tests.vendors.tones import tone_pcm, wav_file

SAID = "The quick brown fox jumps over the lazy dog."
DOWN = Fault("status", status=503, times=None)


def said(text: str = SAID) -> bytes:
    parts = speak(text, "tone-208", 1.0, AudioFormat("wav", "audio/wav", 24_000))
    return b"".join(data for _, data in parts)


@dataclass(frozen=True, slots=True)
class Bench:
    """The gateway before three vendors, asked in this order: Google, Deepgram, ElevenLabs."""

    url: str
    client: AsyncOpenAI
    google: GoogleSttServer
    deepgram: DeepgramServer
    elevenlabs: ElevenLabsServer

    async def ask(self, content: bytes, name: str = "a.wav", **options: Any) -> Any:
        return await self.client.audio.transcriptions.create(model="listen", file=(name, content), **options)


@asynccontextmanager
async def bench(folder: Path, inputs: str = "[file, raw, url]", uploads: int = 26_214_400) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        google = await stack.enter_async_context(GoogleSttServer())
        deepgram = await stack.enter_async_context(DeepgramServer())
        elevenlabs = await stack.enter_async_context(ElevenLabsServer())
        providers = f"""
version: 1
providers:
  google-stt:
    plugin: google_stt
    base_url: {google.base_url}
    credentials: {{api_key: {GOOGLE_KEY}}}
    models: {{latest_long: {{operation: transcription, price: {{usd_per_audio_minute: 0.024}}}}}}
  deepgram:
    plugin: deepgram
    base_url: {deepgram.base_url}
    credentials: {{api_key: {DEEPGRAM_KEY}}}
    models: {{nova-3: {{operation: transcription, price: {{usd_per_audio_minute: 0.0077}}}}}}
  elevenlabs:
    plugin: elevenlabs
    base_url: {elevenlabs.base_url}
    credentials: {{api_key: {ELEVENLABS_KEY}}}
    models: {{scribe_v2: {{operation: transcription, max_audio_s: 100}}}}
"""
        routes = f"""
version: 1
server: {{listen: "127.0.0.1:0", max_upload_bytes: {uploads}}}
keys: {{anonymous: loopback}}
models:
  listen: {{operation: transcription, targets: [google-stt/latest_long, deepgram/nova-3, elevenlabs/scribe_v2]}}
routes:
  - path: /v1/audio/transcriptions
    dialect: openai.transcription
    model: listen
    inputs: {inputs}
    long_recordings: none
  - {{path: /stt/transcribe, dialect: native.stt, model: listen, inputs: {inputs}}}
"""
        gateway = await stack.enter_async_context(harness.inside(folder, providers, routes))
        client = AsyncOpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0)
        yield Bench(gateway.url, await stack.enter_async_context(client), google, deepgram, elevenlabs)


# ---------------------------------------------------------------- from vendor to vendor


async def test_a_recording_is_sent_again_to_the_next_vendor(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.google.faults.add(DOWN)
        at.deepgram.faults.add(DOWN)
        recording = said("a long story " * 60)
        answer = await at.ask(recording)
        assert answer.text.split() == ("a long story " * 60).split()
        sent = at.deepgram.requests[0]
        assert (sent.body, sent.header("content-length")) == (recording, str(len(recording)))
        assert recording in at.elevenlabs.requests[0].body
        assert at.google.refused == at.deepgram.refused == at.elevenlabs.refused == []


async def test_what_is_too_long_or_of_another_container_goes_to_one_that_takes_it(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        long = await at.ask(wav_file(tone_pcm(400, 61.0, 8_000), 8_000))
        assert long.text == "This is deepgram and the recording lasts 61 seconds."
        float_wav = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", "-", "-c:a", "pcm_f32le", "-f", "wav", str(tmp_path / "f.wav")],
            input=said(), check=True,
        )  # fmt: skip
        assert float_wav.returncode == 0
        await at.ask((tmp_path / "f.wav").read_bytes())
        assert (len(at.google.requests), len(at.deepgram.requests)) == (0, 2)


async def test_what_nobody_takes_is_refused_with_every_reason(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.deepgram.faults.add(DOWN)
        with pytest.raises(APIStatusError) as caught:
            await at.client.audio.transcriptions.create(
                model="elevenlabs/scribe_v2", file=("a.wav", wav_file(tone_pcm(400, 101.0, 8_000), 8_000))
            )
        assert caught.value.status_code == 400
        assert "takes at most 100 s of audio, not 101.0 s" in str(caught.value)


async def test_each_vendor_is_charged_by_its_own_seconds(tmp_path: Path) -> None:
    stereo = wav.wrap(tone_pcm(400, 4.0, 8_000), 8_000, channels=2)  # two seconds
    async with bench(tmp_path) as at, aiohttp.ClientSession(at.url) as http:
        costs = []
        for down in (None, at.google):
            if down is not None:
                down.faults.add(DOWN)
            form = aiohttp.FormData()
            form.add_field("file", stereo, filename="a.wav")
            async with http.post("/stt/transcribe", data=form) as response:
                costs.append((await response.json())["cost_usd"])
        assert costs == [pytest.approx(0.024 / 60 * 2), pytest.approx(0.0077 / 60 * 2 * 2)]  # Deepgram: each channel


async def test_speakers_and_words_come_from_whoever_answers(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        for vendor, names in (
            (at.google, {"speaker_1", "speaker_2"}),
            (at.deepgram, {"speaker_0", "speaker_1"}),
            (at.elevenlabs, {"speaker_0", "speaker_1"}),
        ):
            answer = await at.ask(said(), response_format="diarized_json")
            assert {segment.speaker for segment in answer.segments} == names
            assert [segment.text for segment in answer.segments] == [
                "The quick brown fox",
                "jumps over the lazy",
                "dog.",
            ]
            vendor.faults.add(DOWN)


# ---------------------------------------------------------------- the ways in


async def test_a_body_may_be_the_recording_itself(tmp_path: Path) -> None:
    async with bench(tmp_path) as at, aiohttp.ClientSession(at.url) as http:
        query = "response_format=verbose_json&timestamp_granularities[]=word&language=en"
        headers = {"content-type": "audio/wav"}
        async with http.post(f"/v1/audio/transcriptions?{query}", data=said(), headers=headers) as response:
            answer = await response.json()
        assert (response.status, answer["text"], answer["words"][0]["word"]) == (200, SAID, "The")
        async with http.post("/stt/transcribe", data=said(), headers=headers) as response:
            assert (await response.json())["text"] == SAID


async def test_an_address_is_handed_to_a_vendor_that_fetches(tmp_path: Path) -> None:
    address = "https://recordings.example.com/a%20b.mp3?sig=1"
    async with bench(tmp_path) as at, aiohttp.ClientSession(at.url) as http:
        async with http.post("/v1/audio/transcriptions", json={"url": address}) as response:
            assert (await response.json())["text"] == address
        at.deepgram.faults.add(DOWN)
        async with http.post("/v1/audio/transcriptions", data=_multipart(address)) as response:
            assert (await response.json())["text"] == address
        assert [len(vendor.requests) for vendor in (at.google, at.deepgram, at.elevenlabs)] == [0, 2, 1]


def _multipart(address: str) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    writer.append(address).set_content_disposition("form-data", name="url")
    return writer


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/a.mp3", "http://localhost:8080/a.mp3", "http://[::1]/a", "http://169.254.169.254/latest",
        "http://10.0.0.8/a", "http://192.168.1.1/a", "http://2130706433/a", "http://0x7f000001/a", "http://intranet/a",
        "http://metadata.google.internal/x", "http://[::ffff:127.0.0.1]/a", "https://user:pass@example.com/a",
        "file:///etc/passwd", "ftp://example.com/a", "https://", "example.com/a.mp3", "https://exam ple.com/a",
        "https://example.com:99999/a", "https://example.com/" + "a" * 5000,
    ],
)  # fmt: skip
async def test_an_address_within_a_network_is_none(address: str, tmp_path: Path) -> None:
    async with bench(tmp_path) as at, aiohttp.ClientSession(at.url) as http:
        async with http.post("/v1/audio/transcriptions", json={"url": address}) as response:
            assert (response.status, (await response.json())["error"]["param"]) == (400, "url")
        assert len(at.deepgram.requests) == 0


async def test_a_route_takes_only_what_its_inputs_say(tmp_path: Path) -> None:
    async with bench(tmp_path, "[file]") as at, aiohttp.ClientSession(at.url) as http:
        for sent in (
            {"json": {"url": "https://example.com/a"}},
            {"data": said()},
            {"data": _multipart("https://a.b/c")},
        ):
            async with http.post("/v1/audio/transcriptions", **sent) as response:
                assert response.status == 400
        assert (await at.ask(said())).text == SAID


# ---------------------------------------------------------------- bad files


def _lame(seconds: float, folder: Path) -> bytes:
    """An MP3 whose header says how many bytes it has."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=440:duration={seconds}", str(folder / "tone.mp3")]
    subprocess.run(command, check=True)
    return (folder / "tone.mp3").read_bytes()


def _mp4(folder: Path) -> bytes:
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=440:duration=3", str(folder / "tone.m4a")]
    subprocess.run(command, check=True)
    return (folder / "tone.m4a").read_bytes()


async def test_bad_files_are_told_and_sent_to_nobody(tmp_path: Path) -> None:
    no_hz = bytearray(said())
    no_hz[24:28] = bytes(4)
    mp3, mp4 = _lame(3, tmp_path), _mp4(tmp_path)
    cases = {
        "empty": (b"", "is empty"),
        "zip": (b"PK\x03\x04" + bytes(2000), "not audio"),
        "text": (b"this is no audio at all " * 40, "not audio"),
        "cut wav": (said()[:-80_000], "breaks off"),
        "only a header": (said()[:44], "breaks off"),
        "cut mp3": (mp3[: len(mp3) // 2], "breaks off"),
        "cut mp4": (mp4[: len(mp4) // 2], "breaks off"),
        "0 Hz": (bytes(no_hz), "sample rate of 0 Hz"),
        "flac of 0 Hz": (b"fLaC" + bytes(60), "0 Hz"),
        "two hours declared": (_claiming(7200 * 48_000), "breaks off"),
    }
    async with bench(tmp_path) as at:
        for name, (content, words) in cases.items():
            with pytest.raises(APIStatusError) as caught:
                await at.ask(content, "a.wav")
            assert (caught.value.status_code, words in str(caught.value)) == (400, True), (name, str(caught.value))
        assert [len(vendor.requests) for vendor in (at.google, at.deepgram, at.elevenlabs)] == [0, 0, 0]


def _claiming(data_bytes: int) -> bytes:
    return wav.header(24_000, data_bytes=data_bytes) + bytes(96_000)


async def test_silence_is_an_empty_transcript_from_every_vendor(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        for vendor in (at.google, at.deepgram, at.elevenlabs):
            answer = await at.ask(wav_file(bytes(96_000)), response_format="verbose_json")
            assert (answer.text, answer.segments, answer.duration) == ("", [], 2.0)
            assert await at.ask(wav_file(bytes(96_000)), response_format="srt") == ""
            vendor.faults.add(DOWN)


async def test_a_stream_of_unknown_length_is_no_broken_file(tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        recording = said()
        streamed = wav.header(24_000) + recording[44:]
        assert struct.unpack_from("<I", streamed, 40) == (0xFFFFFFFF,)
        assert (await at.ask(streamed)).text == SAID


@pytest.mark.parametrize("kind", ["cut_mid_stream", "truncated_json", "malformed_event", "html", "refuse"])
async def test_an_answer_that_breaks_off_goes_to_the_next_vendor(kind: Any, tmp_path: Path) -> None:
    async with bench(tmp_path) as at:
        at.google.faults.add(Fault(kind, status=502))
        at.deepgram.faults.add(Fault(kind, status=502))
        assert (await at.ask(said())).text == SAID
        assert len(at.elevenlabs.requests) == 1
        for vendor in (at.google, at.deepgram, at.elevenlabs):
            vendor.faults.add(Fault(kind, status=502))
        with pytest.raises(APIStatusError) as caught:
            await at.ask(said())
        assert caught.value.status_code in (502, 503)


@pytest.mark.slow
async def test_many_large_uploads_at_once_stay_out_of_memory(tmp_path: Path) -> None:
    recording = wav_file(tone_pcm(400, 250.0, 24_000))  # 12 MB
    async with DeepgramServer() as deepgram:
        deepgram.faults.add(Fault("slow_headers", delay_s=0.3, times=None))
        providers = f"""
version: 1
providers:
  deepgram:
    plugin: deepgram
    base_url: {deepgram.base_url}
    credentials: {{api_key: {DEEPGRAM_KEY}}}
    models: {{nova-3: {{operation: transcription}}}}
"""
        routes = harness.ROUTES.replace("sandbox/transcription", "deepgram/nova-3").replace(", cache: x", "")
        lines = [line for line in routes.splitlines() if "sandbox" not in line and "/v1/models" not in line]
        kept = [line for line in lines if "openai." not in line or "transcription" in line]
        async with harness.process(tmp_path, providers, "\n".join(kept)) as gateway:
            client = AsyncOpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0)
            async with client:
                # The first large one also pays for threads and buffers that are made once.
                await client.audio.transcriptions.create(model="transcribe", file=("a.wav", recording))
                before = gateway.rss_bytes()
                asked = [
                    asyncio.ensure_future(
                        client.audio.transcriptions.create(model="transcribe", file=("a.wav", recording))
                    )
                    for _ in range(8)
                ]
                peak = before
                while not all(task.done() for task in asked):
                    peak = max(peak, gateway.rss_bytes())
                    await asyncio.sleep(0.01)
        assert {task.result().text for task in asked} == {"This is deepgram and the recording lasts 250 seconds."}
        assert all(record.body == recording for record in list(deepgram.requests)[1:])
        assert peak - before < 8 * len(recording) // 4  # held in memory, each would cost its size at the least

"""A recording longer than its vendor takes, through the real gateway: every word once, and at its time."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests import harness
from tests.upstream.test_cutter import encoded
from tests.vendors.faults import Fault
from tests.vendors.server import VendorServer
from tests.vendors.spelled import SpelledWord, spell, text_of
from tests.voice_table import LISTENERS, SIMULATORS

RATE_HZ = 16_000
SECONDS = 75.0
LATE_S = 0.1  # of any word, from the truth


@pytest.fixture(scope="module")
def recorded() -> tuple[bytes, list[SpelledWord]]:
    pcm, truth = spell(SECONDS, RATE_HZ)
    return encoded(pcm, RATE_HZ, "libmp3lame", "mp3"), truth


def row(target: str, limits: str) -> str:
    """Return a provider's row whose model has these limits."""
    made = LISTENERS[target]
    if "{operation: transcription" in made:
        return made.replace("{operation: transcription", "{operation: transcription, " + limits, 1)
    lines = limits.replace(", ", "\n        ")
    return made.replace("operation: transcription", f"operation: transcription\n        {lines}", 1)


@asynccontextmanager
async def listeners(
    folder: Path, limits: Mapping[str, str], more: str = ""
) -> AsyncIterator[tuple[harness.Inside, Sequence[VendorServer]]]:
    """Serve targets in this order, each with its limits; `more` are policies of the route."""
    async with AsyncExitStack() as stack:
        vendors, rows = [], []
        for target, limit in limits.items():
            name = target.partition("/")[0]
            vendors.append(await stack.enter_async_context(SIMULATORS[name]()))
            rows.append(f"  {name}:{row(target, limit)}\n    base_url: {vendors[-1].base_url}\n")
        routes = f"""
version: 1
server: {{listen: "127.0.0.1:0"}}
keys: {{anonymous: loopback}}
models: {{listen: {{operation: transcription, targets: [{", ".join(limits)}]}}}}
defaults: {{failover: {{first_content_s: 100, backoff_s: 0.01}}}}
routes:
  - {{path: /v1/audio/transcriptions, dialect: openai.transcription, model: listen{more}}}
"""
        gateway = await stack.enter_async_context(
            harness.inside(folder, "version: 1\nproviders:\n" + "".join(rows), routes)
        )
        yield gateway, vendors


def form_of(audio: bytes, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(audio), filename="said.mp3")
    for name, value in ({"response_format": "verbose_json", "timestamp_granularities[]": "word"} | fields).items():
        form.add_field(name, value)
    return form


async def written(gateway: harness.Inside, audio: bytes, **fields: str) -> tuple[int, str, Mapping[str, str]]:
    async with aiohttp.ClientSession() as http:
        async with http.post(gateway.url + "/v1/audio/transcriptions", data=form_of(audio, **fields)) as response:
            return response.status, await response.text(), response.headers


def check(answer: dict[str, Any], truth: Sequence[SpelledWord]) -> None:
    words = answer["words"]
    assert [word["word"] for word in words] == [word.text for word in truth]
    assert max(abs(word["start"] - true.start_s) for word, true in zip(words, truth, strict=True)) < LATE_S
    assert max(abs(word["end"] - true.end_s) for word, true in zip(words, truth, strict=True)) < LATE_S
    assert answer["text"] == text_of(truth)


@pytest.mark.parametrize(
    ("target", "limits", "parts"),
    [
        ("google-stt/latest_long", "max_audio_s: 25", 4),
        ("openai/whisper-1", "max_upload_bytes: 1000000", 3),  # 31 s of WAV
        ("deepgram/nova-3", "max_audio_s: 50", 2),
        ("elevenlabs/scribe_v2", "max_audio_s: 74", 2),
    ],
)
async def test_every_word_is_there_once_and_at_its_time(
    target: str, limits: str, parts: int, recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path
) -> None:
    audio, truth = recorded
    if "bytes" in limits:
        audio = encoded(spell(SECONDS, RATE_HZ)[0], RATE_HZ, "pcm_s16le", "wav")
    async with listeners(tmp_path, {target: limits}) as (gateway, (vendor,)):
        status, body, headers = await written(gateway, audio)
        assert status == 200, body
        assert all(record.refusal is None for record in vendor.requests)
        assert int(headers["x-gateway-parts"]) == len(vendor.requests) == parts
    answer = json.loads(body)
    check(answer, truth)
    assert answer["duration"] == pytest.approx(SECONDS, abs=0.1)
    assert answer["usage"]["seconds"] == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.slow
async def test_ten_minutes_in_a_noisy_room_are_written_down_by_a_vendor_that_takes_one(tmp_path: Path) -> None:
    pcm, truth = spell(600.0, 8_000, noise=500)  # nobody is ever silent
    async with listeners(tmp_path, {"google-stt/latest_long": "max_audio_s: 60"}) as (gateway, _):
        status, body, headers = await written(gateway, encoded(pcm, 8_000, "flac", "flac"))
        assert status == 200, body
        assert int(headers["x-gateway-parts"]) > 10
    check(json.loads(body), truth)


async def test_a_stream_gets_each_piece_when_it_is_there(
    recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path
) -> None:
    audio, truth = recorded
    async with listeners(
        tmp_path, {"google-stt/latest_long": "max_audio_s: 25"}, ", long_recordings: {at_once: 1}"
    ) as (
        gateway,
        (vendor,),
    ):
        vendor.faults.add(Fault("none"), Fault("slow_headers", delay_s=600))
        async with aiohttp.ClientSession() as http:
            async with http.post(
                gateway.url + "/v1/audio/transcriptions", data=form_of(audio, stream="true")
            ) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                first = json.loads((await response.content.readline()).removeprefix(b"data: "))
                assert first["type"] == "transcript.text.delta"
                assert text_of(truth).startswith(first["delta"])
                while len(vendor.requests) < 2 or vendor.requests[1].fault is None:
                    await asyncio.sleep(0.01)
                assert vendor.requests[1].outcome == "pending"
        # And who leaves then ends what is under way.
        assert (await vendor.requests[1].wait_ended()).outcome == "client_closed"
        status, body, _ = await written(gateway, audio, stream="true")
        assert status == 200
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == ["transcript.text.delta"] * 4 + ["transcript.text.done"]
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"] == text_of(truth)


async def test_a_piece_that_fails_is_written_down_by_the_next_alone(
    recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path
) -> None:
    audio, truth = recorded
    limits = {"google-stt/latest_long": "max_audio_s: 25", "deepgram/nova-3": "max_audio_s: 70"}
    async with listeners(tmp_path, limits) as (gateway, (google, deepgram)):
        google.faults.add(Fault("none"), Fault("status", status=503))
        status, body, headers = await written(gateway, audio)
        assert status == 200, body
        assert len(deepgram.requests) == 1
        assert headers["x-gateway-parts"] == "4"
    check(json.loads(body), truth)


async def test_where_the_first_target_is_away_the_pieces_are_cut_for_the_one_that_takes_less(
    recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path
) -> None:
    audio, truth = recorded
    limits = {"deepgram/nova-3": "max_audio_s: 50", "google-stt/latest_long": "max_audio_s: 25"}
    async with listeners(tmp_path, limits) as (gateway, (deepgram, google)):
        deepgram.faults.add(Fault("status", status=503, times=None))
        status, body, _ = await written(gateway, audio)
        assert status == 200, body
        assert all(record.refusal is None for record in google.requests)
    check(json.loads(body), truth)


@pytest.mark.parametrize("name", ["srt", "json"])
async def test_every_form_of_answer_is_that_of_the_whole(
    name: str, recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path
) -> None:
    audio, truth = recorded
    async with listeners(tmp_path, {"deepgram/nova-3": "max_audio_s: 50"}) as (gateway, _):
        status, body, _ = await written(gateway, audio, response_format=name)
    assert status == 200
    said = json.loads(body)["text"] if name == "json" else body
    places = [said.index(word.text) for word in truth[:1600]]
    assert places == sorted(places)
    if name == "srt":
        assert "00:01:1" in said


async def test_without_long_recordings_a_target_takes_what_it_takes(
    recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path
) -> None:
    limits = {"google-stt/latest_long": "max_audio_s: 25"}
    async with listeners(tmp_path, limits, ", long_recordings: none") as (gateway, (vendor,)):
        status, body, _ = await written(gateway, recorded[0])
        assert status == 400
        assert "takes at most 25 s" in body
        assert not vendor.requests


async def test_without_a_decoder_the_refusal_has_the_remedy(
    recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.middlewares.cut.has_codecs", lambda: False)
    async with listeners(tmp_path, {"google-stt/latest_long": "max_audio_s: 25"}) as (gateway, _):
        status, body, _ = await written(gateway, recorded[0])
    assert status == 400
    assert "ai-service-gateway[audio]" in body


async def test_a_recording_goes_whole_to_who_takes_it_before_any_of_it_is_cut(
    recorded: tuple[bytes, list[SpelledWord]], tmp_path: Path
) -> None:
    audio, truth = recorded
    limits = {"google-stt/latest_long": "max_audio_s: 25", "deepgram/nova-3": "max_audio_s: 100"}
    async with listeners(tmp_path, limits) as (gateway, (google, deepgram)):
        status, _, headers = await written(gateway, audio)
        assert (status, headers["x-gateway-provider"]) == (200, "deepgram")
        assert "x-gateway-parts" not in headers
        deepgram.faults.add(Fault("status", status=400, times=None))
        assert (await written(gateway, audio))[0] == 400  # that is the client's, whoever is asked
        deepgram.faults.clear()
        deepgram.faults.add(Fault("status", status=503, times=None))
        status, body, headers = await written(gateway, audio)
        assert (status, headers["x-gateway-parts"]) == (200, "4")
        assert len(google.requests) == 4
    check(json.loads(body), truth)

"""A text longer than any vendor takes, spoken by each through the real gateway: nothing lost, no seam, no wait.

The simulators refuse what their vendors refuse for its length, so a part that is too long is an error here.
"""

from __future__ import annotations

import asyncio
import re
from array import array
from collections.abc import Mapping
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openai import APIStatusError, BadRequestError

from gateway.audio import codecs
from gateway.config.load import load
from gateway.errors import ConfigError
from gateway.middlewares.joining import FADE_S
from tests import harness
from tests.plugins.spoken import ROWS, desk, hear, seconds_of
from tests.vendors import voices
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.elevenlabs import ElevenLabsServer
from tests.vendors.faults import Fault
from tests.vendors.google_tts import GoogleTtsServer
from tests.vendors.openai import OpenAIServer
from tests.vendors.openai import speech as tones
from tests.vendors.polly import PollyServer
from tests.vendors.recording import RequestRecord
from tests.vendors.server import VendorServer

RATE_HZ = 24_000
FADE = round(RATE_HZ * FADE_S)
QUIET = 3_000  # of 32,767: a step that is no click; where a part is faded it begins and ends at nothing
S_PER_CHARACTER = 0.004  # of the simulator that gives tones
PATIENT = "{first_content_s: 100}"
SIMULATORS: Mapping[str, type[VendorServer]] = {
    "openai/tts-1": OpenAIServer,
    "google-tts/chirp3-hd": GoogleTtsServer,
    "polly/neural": PollyServer,
    "deepgram/aura-2": DeepgramServer,
    "elevenlabs/eleven_multilingual_v2": ElevenLabsServer,
}


def story(chars: int) -> str:
    """Return a text of exactly so many characters, of which no two sentences are the same."""
    told = "".join(
        f"Dr. Smith paid $3.50 for No. {number}, i.e. too much. Was he glad? " for number in range(chars // 50)
    )
    return told[: chars - 1].rstrip(" .?,").ljust(chars, ".")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the simulators speak fast: it is all the same to the seams, and half an hour is ten minutes."""
    monkeypatch.setattr(voices, "WORDS_PER_MIN", 450)
    monkeypatch.setattr(tones, "SECONDS_PER_CHARACTER", S_PER_CHARACTER)


@pytest.fixture(autouse=True)
def convertible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROWS, "polly", ROWS["polly"] + "\n    convert: true")


def text_of(record: RequestRecord) -> str:
    """Return the text that a vendor was asked to speak."""
    body = record.json()
    said = body.get("input") or body.get("Text") or body.get("text")
    return str(said.get("text") or said.get("ssml") if isinstance(said, dict) else said)


def parts_in(vendor: VendorServer, text: str) -> list[str]:
    """Return the texts that a vendor was asked for, in their order in the whole."""
    return sorted({text_of(record) for record in vendor.requests}, key=text.find)


def check_joined(whole: bytes, parts: list[bytes], *, is_all: bool = True) -> None:
    """The whole is its parts to the sample, but for a few milliseconds around each seam, where nothing jumps.

    Without `is_all` these are the first of the parts.
    """
    samples, expected = array("h", whole), array("h", b"".join(parts))
    assert len(samples) == len(expected) if is_all else len(samples) > len(expected)
    edges = [0, *accumulate(len(part) // 2 for part in parts)]
    for start, end in pairwise(edges):
        if end < len(samples):
            around = samples[end - 2 : end + 2]
            assert max(abs(after - before) for before, after in pairwise(around)) <= QUIET
        inner = slice(start + FADE * (start > 0), end - FADE * (end < len(samples)))
        is_same = samples[inner] == expected[inner]  # apart: a million samples are no message
        assert is_same, f"the part from {start} to {end} is another"


@pytest.mark.slow
@pytest.mark.parametrize("target", SIMULATORS)
async def test_twenty_thousand_characters_are_spoken_by_every_vendor(target: str, tmp_path: Path) -> None:
    text, name = story(20_000), target.partition("/")[0]
    async with SIMULATORS[target]() as vendor, desk(tmp_path, {name: vendor}, (target,), failover=PATIENT) as front:
        spoken = await front.speak(text, response_format="pcm")
        assert all(record.refusal is None for record in vendor.requests)
        parts = parts_in(vendor, text)
        assert "".join(parts) == text
        assert int(spoken.headers["x-gateway-parts"]) == len(parts) == len(vendor.requests)
        assert parts[0] == "Dr. Smith paid $3.50 for No. 0, i.e. too much. "
        is_all = target.startswith(("openai", "elevenlabs"))  # of the others the first seams, for the time it takes
        said = parts if is_all else parts[:4]
        alone = [(await front.speak(part, response_format="pcm")).audio for part in said]
    check_joined(spoken.audio, alone, is_all=is_all)


@pytest.mark.slow
async def test_the_local_voice_speaks_it_as_well(tmp_path: Path) -> None:
    rows = ROWS["local-tts"].replace("usd_per_request: 0}", "usd_per_request: 0}, max_chars: 5000")
    text = story(20_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ROWS, "local-tts", rows)
        async with desk(tmp_path, {"local-tts": None}, ("local-tts/espeak",)) as front:
            spoken = await front.speak(text, response_format="pcm")
    assert int(spoken.headers["x-gateway-parts"]) > 4
    assert 900 < seconds_of(spoken.audio) < 2_500


@pytest.mark.parametrize("name", ["wav", "mp3", "opus"])
async def test_every_format_is_one_file_as_long_as_its_parts(name: str, tmp_path: Path) -> None:
    text = story(4_500)
    async with OpenAIServer() as vendor, desk(tmp_path, {"openai": vendor}, ("openai/tts-1",)) as front:
        spoken = await front.speak(text, response_format=name)
        assert int(spoken.headers["x-gateway-parts"]) == len(vendor.requests) > 3
        assert {record.json()["response_format"] for record in vendor.requests} == {"pcm"}
    assert hear(spoken.audio, name).seconds == pytest.approx(4_500 * S_PER_CHARACTER, abs=0.1)


async def test_a_text_that_fits_is_sent_as_it_stands(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor, desk(tmp_path, {"openai": vendor}, ("openai/tts-1",)) as front:
        for size in (4_095, 4_096):
            spoken = await front.speak(story(size))
            assert "x-gateway-parts" not in spoken.headers
        await front.speak(story(4_097), response_format="wav")
        assert [len(record.json()["input"]) for record in list(vendor.requests)[:2]] == [4_095, 4_096]
        assert sum(len(record.json()["input"]) for record in list(vendor.requests)[2:]) == 4_097


async def test_the_first_sound_does_not_wait_for_the_parts_behind(tmp_path: Path) -> None:
    async with GoogleTtsServer() as vendor, desk(tmp_path, {"google-tts": vendor}, ("google-tts/chirp3-hd",)) as front:
        vendor.faults.add(Fault("none"), *[Fault("slow_headers", delay_s=600)] * 2)
        options: dict[str, Any] = {"model": "speak", "voice": "nova", "input": story(6_000), "response_format": "pcm"}
        async with front.client.audio.speech.with_streaming_response.create(**options) as response:
            async for piece in response.iter_bytes():
                assert piece
                break
            assert [record.outcome for record in vendor.requests] == ["complete", "pending", "pending"]
        # And who leaves then ends them all.
        for record in list(vendor.requests)[1:]:
            assert (await record.wait_ended()).outcome == "client_closed"
        async with asyncio.timeout(5):
            while front.gateway.gateway.in_flight:
                await asyncio.sleep(0.01)


async def test_a_part_that_fails_is_spoken_by_the_next_target_alone_in_the_same_voice(tmp_path: Path) -> None:
    text = story(4_500)
    async with OpenAIServer() as openai, ElevenLabsServer() as eleven:
        vendors = {"openai": openai, "elevenlabs": eleven}
        async with desk(tmp_path, vendors, ("openai/tts-1", "elevenlabs/eleven_multilingual_v2")) as front:
            openai.faults.add(Fault("none"), Fault("status", status=503))
            spoken = await front.speak(text, response_format="pcm", voice="nova")
            parts = sorted({text_of(record) for record in (*openai.requests, *eleven.requests)}, key=text.find)
            assert "".join(parts) == text
            assert len(eleven.requests) == 1
            assert spoken.by == "openai/tts-1"
            assert {record.json()["voice"] for record in openai.requests} == {"nova"}
            assert eleven.requests[0].path.startswith("/v1/text-to-speech/EXAVITQu4vr4xnSDxMaL")  # Sarah
            failed = text_of(openai.requests[1])
            assert text_of(eleven.requests[0]) == failed
            alone = await front.speak(failed, response_format="pcm", voice="nova")
            assert alone.by == "openai/tts-1"
    assert seconds_of(spoken.audio) > 4_000 * S_PER_CHARACTER


@pytest.mark.parametrize("size", [3_000, 6_000])
async def test_where_the_first_target_is_away_the_parts_are_cut_for_the_one_that_takes_less(
    size: int, tmp_path: Path
) -> None:
    text = story(size)  # what fits the first one whole, and what does not
    async with OpenAIServer() as openai, DeepgramServer() as deepgram:
        vendors = {"openai": openai, "deepgram": deepgram}
        async with desk(tmp_path, vendors, ("openai/tts-1", "deepgram/aura-2")) as front:
            openai.faults.add(Fault("status", status=503, times=None))
            spoken = await front.speak(text, response_format="pcm")
            assert spoken.by == "deepgram/aura-2"
            assert all(record.refusal is None for record in deepgram.requests)
            assert "".join(parts_in(deepgram, text)) == text
            alone = [await front.speak(part, response_format="pcm") for part in parts_in(deepgram, text)]
    check_joined(spoken.audio, [part.audio for part in alone])


async def test_a_part_that_nobody_speaks_ends_the_answer_without_a_clean_end(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor, desk(tmp_path, {"openai": vendor}, ("openai/tts-1",)) as front:
        vendor.faults.add(Fault("none"), Fault("status", status=400, times=None))
        wish = {"model": "speak", "voice": "nova", "input": story(5_000), "response_format": "wav"}
        async with aiohttp.ClientSession() as http:
            async with http.post(front.gateway.url + "/v1/audio/speech", json=wish) as response:
                assert response.status == 200
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.read()


async def test_where_the_first_part_fails_the_answer_is_an_error_like_any_other(tmp_path: Path) -> None:
    async with (
        OpenAIServer() as vendor,
        desk(tmp_path, {"openai": vendor}, ("openai/tts-1",), failover="none") as front,
    ):
        vendor.faults.add(Fault("status", status=503, times=None))
        with pytest.raises(APIStatusError) as refused:
            await front.speak(story(5_000))
        assert refused.value.status_code == 503


# ---------------------------------------------------------------- what it costs, and who answers for it

LEDGER = """
version: 1
server: {listen: "127.0.0.1:0"}
stores: {database_url: "sqlite:gateway.db"}
keys: {anonymous: loopback}
models: {speak: {operation: speech, targets: [TARGET]}}
routes:
  - {path: /tts, dialect: native.tts, model: speak, quota: {characters: 20000/hour}, cache: {ttl_s: 60}POLICY}
"""


def providers(name: str, vendor: VendorServer) -> str:
    return f"version: 1\nproviders:\n  {name}:{ROWS[name]}\n    base_url: {vendor.base_url}\n"


def routes(target: str, policy: str = "") -> str:
    return LEDGER.replace("TARGET", target).replace("POLICY", policy)


async def asked(gateway: harness.Inside, **wish: Any) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    async with aiohttp.ClientSession() as http, http.post(gateway.url + "/tts", json=wish) as response:
        return response.status, await response.json(), response.headers


async def test_cost_and_units_are_the_sum_in_one_row_and_the_quota_is_asked_once(tmp_path: Path) -> None:
    text = story(8_000)
    async with OpenAIServer() as vendor:
        async with harness.inside(tmp_path, providers("openai", vendor), routes("openai/tts-1")) as gateway:
            status, said, _ = await asked(gateway, text=text, voice="nova", format="wav")
            assert status == 200
            assert said["cost_usd"] == pytest.approx(8_000 * 15e-6)
            assert said["metadata"]["characters"] == 8_000
            again_status, again, headers = await asked(gateway, text=text, voice="nova", format="wav")
            assert (again_status, headers["x-gateway-cache"]) == (200, "hit")
            assert again["audio_data"] == said["audio_data"]
            # 8,000 of 20,000 are used: as many again fit, and then no more.
            assert (await asked(gateway, text=story(12_000), voice="nova", format="pcm"))[0] == 200
            status, refused, _ = await asked(gateway, text=story(300), voice="nova", format="pcm")
            assert status == 429, refused


async def test_without_long_text_a_target_takes_what_it_takes(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        yaml = routes("openai/tts-1", ", long_text: none")
        async with harness.inside(tmp_path, providers("openai", vendor), yaml) as gateway:
            status, said, _ = await asked(gateway, text=story(5_000), voice="nova")
            assert status == 400
            assert "takes at most 4096 characters, not 5000" in said["error"]["message"]
        assert not vendor.requests


async def test_without_codecs_what_cannot_be_joined_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codecs.has_codecs.cache_clear()
    for module in ("split", "spoken"):
        monkeypatch.setattr(f"gateway.middlewares.{module}.has_codecs", lambda: False)
    async with OpenAIServer() as vendor, desk(tmp_path, {"openai": vendor}, ("openai/tts-1",)) as front:
        with pytest.raises(BadRequestError, match=re.escape("ai-service-gateway[audio]")):
            await front.speak(story(5_000), response_format="mp3")
        spoken = await front.speak(story(5_000), response_format="wav")
        assert hear(spoken.audio, "wav").seconds == pytest.approx(5_000 * S_PER_CHARACTER, abs=0.01)


async def test_sentences_are_kept_one_by_one_where_that_is_asked_for(tmp_path: Path) -> None:
    async with OpenAIServer() as vendor:
        yaml = routes("openai/tts-1", ", long_text: {cache: sentences}")
        async with harness.inside(tmp_path, providers("openai", vendor), yaml) as gateway:
            first = await asked(gateway, text=story(4_500), voice="nova", format="wav")
            assert first[0] == 200
            sentences = len(vendor.requests)
            assert int(first[2]["x-gateway-parts"]) > sentences > 70  # one of them is said again and again
            changed = story(4_500).replace("No. 7,", "No. seven,")
            second = await asked(gateway, text=changed, voice="nova", format="wav")
            assert second[0] == 200
            assert [text_of(record) for record in list(vendor.requests)[sentences:]] == [
                "Dr. Smith paid $3.50 for No. seven, i.e. too much. "
            ]
            assert second[1]["cost_usd"] == pytest.approx(51 * 15e-6)


def test_sentences_are_kept_in_a_cache_only(tmp_path: Path) -> None:
    yaml = routes("sandbox/speech", ", long_text: {cache: sentences}").replace("cache: {ttl_s: 60}", "cache: none")
    (tmp_path / "routes.yaml").write_text(yaml)
    (tmp_path / "providers.yaml").write_text(harness.SANDBOX)
    with pytest.raises(ConfigError, match="keeps sentences in the route's cache, which is not there"):
        load(tmp_path, {})


# ---------------------------------------------------------------- SSML


@pytest.mark.slow
async def test_ssml_is_cut_between_elements_to_the_characters_that_are_billed(tmp_path: Path) -> None:
    sentences = "".join(f'<s>Number {number} is <emphasis level="strong">here</emphasis>.</s>' for number in range(110))
    async with PollyServer() as vendor:
        async with harness.inside(tmp_path, providers("polly", vendor), routes("polly/neural")) as gateway:
            status, said, headers = await asked(
                gateway, text=f'<speak version="1.1">{sentences}</speak>', voice="nova", format="wav", ssml=True
            )
            assert status == 200, said
            documents = [text_of(record) for record in vendor.requests]
            assert int(headers["x-gateway-parts"]) == len(documents) > 1
            assert all(re.fullmatch(r'<speak version="1.1">(<s>.*?</s>)+</speak>', document) for document in documents)
            assert sum(document.count("<s>") for document in documents) == 110


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<speak>" + "One & two. " * 400 + "</speak>", "'input' is SSML that is no XML: not well-formed"),
        ("<speak><p>" + "One two. " * 400 + "</p></speak>", "SSML is not cut inside an element"),
    ],
)
async def test_ssml_that_cannot_be_cut_says_why(text: str, message: str, tmp_path: Path) -> None:
    async with PollyServer() as vendor:
        async with harness.inside(tmp_path, providers("polly", vendor), routes("polly/neural")) as gateway:
            status, said, _ = await asked(gateway, text=text, voice="nova", format="wav", ssml=True)
            assert status == 400
            assert message in said["error"]["message"]
        assert not vendor.requests

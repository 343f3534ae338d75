"""From vendor to vendor in mid-outage: the client keeps voice, format and rate, and can tell by headers only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from openai import BadRequestError

from tests.plugins.spoken import CONTENT_TYPES, KINDS, Desk, desk, hear
from tests.vendors.faults import Fault
from tests.vendors.google_tts import GoogleTtsServer
from tests.vendors.openai import OpenAIServer
from tests.vendors.polly import PollyServer
from tests.vendors.server import VendorServer

ORDER = ("openai/tts-1", "google-tts/chirp3-hd", "polly/neural", "local-tts/espeak")
DOWN = Fault("status", status=503, times=None)


@asynccontextmanager
async def four(
    folder: Path, voices: str = "{}", long_text: str = "{}"
) -> AsyncIterator[tuple[Desk, Mapping[str, VendorServer]]]:
    async with AsyncExitStack() as stack:
        vendors: dict[str, VendorServer] = {
            "openai": await stack.enter_async_context(OpenAIServer()),
            "google-tts": await stack.enter_async_context(GoogleTtsServer()),
            "polly": await stack.enter_async_context(PollyServer()),
        }
        yield (
            await stack.enter_async_context(
                desk(folder, {**vendors, "local-tts": None}, ORDER, voices=voices, long_text=long_text)
            ),
            vendors,
        )


async def test_an_outage_moves_on_and_keeps_format_rate_and_type(tmp_path: Path) -> None:
    async with four(tmp_path) as (front, vendors):
        for kind, rate_hz in (("mp3", 24_000), ("opus", 48_000), ("pcm", 24_000)):
            for vendor in vendors.values():
                vendor.faults.clear()
            order = [target for target in ORDER if (kind, target) != ("pcm", "polly/neural")]  # has no 24 kHz
            for target in order:
                spoken = await front.speak(response_format=kind)
                heard = hear(spoken.audio, kind)
                assert spoken.by == target
                assert (heard.container, heard.codec, heard.rate_hz) == (*KINDS[kind], rate_hz), target
                assert spoken.headers["content-type"] == CONTENT_TYPES[kind]
                assert heard.seconds > 0.5
                if (down := vendors.get(target.split("/")[0])) is not None:
                    down.faults.add(DOWN)
        assert all(vendor.refused == [] for vendor in vendors.values())


async def test_a_wav_says_its_true_rate_whoever_made_it(tmp_path: Path) -> None:
    async with four(tmp_path) as (front, vendors):
        for target, rate_hz in zip(ORDER, (24_000, 24_000, 16_000, 24_000), strict=True):
            spoken = await front.speak(response_format="wav")
            heard = hear(spoken.audio, "wav")
            assert (spoken.by, heard.codec, heard.rate_hz) == (target, "pcm_s16le", rate_hz)
            assert 0.5 < heard.seconds < 5
            if (down := vendors.get(target.split("/")[0])) is not None:
                down.faults.add(DOWN)


async def test_each_vendor_gets_its_own_voice_for_the_one_asked_for(tmp_path: Path) -> None:
    async with four(tmp_path, "{hostess: {openai: shimmer, polly: Ruth}}") as (front, vendors):
        for down in vendors.values():
            down.faults.add(DOWN)
        await front.speak(voice="onyx")
        assert vendors["openai"].requests[0].json()["voice"] == "onyx"
        assert vendors["google-tts"].requests[0].json()["voice"]["name"] == "en-US-Chirp3-HD-Charon"
        assert vendors["polly"].requests[0].json()["VoiceId"] == "Matthew"


async def test_a_vendor_without_the_voice_is_skipped(tmp_path: Path) -> None:
    async with four(tmp_path, "{hostess: {openai: shimmer, polly: Ruth}}") as (front, vendors):
        vendors["openai"].faults.add(DOWN)
        spoken = await front.speak(voice="hostess")
        assert (spoken.by, len(vendors["google-tts"].requests)) == ("polly/neural", 0)
        assert vendors["polly"].requests[0].json()["VoiceId"] == "Ruth"
        with pytest.raises(BadRequestError, match="'nobody' is not known to 'speak'; it has alloy, ash, ballad"):
            await front.speak(voice="nobody")


async def test_a_text_too_long_for_one_goes_to_the_next_where_none_is_cut(tmp_path: Path) -> None:
    async with four(tmp_path, long_text="none") as (front, vendors):
        assert (await front.speak("a " * 2_048)).by == "openai/tts-1"
        assert (await front.speak("a " * 2_049, response_format="pcm")).by == "google-tts/chirp3-hd"
        assert [len(vendor.requests) for vendor in vendors.values()] == [1, 1, 0]


async def test_a_speed_that_one_does_not_have_goes_to_one_that_has_it(tmp_path: Path) -> None:
    async with four(tmp_path) as (front, vendors):
        vendors["openai"].faults.add(DOWN)
        assert (await front.speak(speed=3.0)).by == "local-tts/espeak"
        assert (await front.speak(speed=0.22 + 0.03)).by == "google-tts/chirp3-hd"
        assert (await front.speak(speed=2.0)).by == "google-tts/chirp3-hd"
        assert len(vendors["polly"].requests) == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("refuse"),
        Fault("html", status=502),
        Fault("status", status=429, retry_after_s=30),
        Fault("status", status=401),
        Fault("error_event_in_200", after_events=0),
        Fault("cut_mid_stream", after_events=0),
        Fault("slow_first_event", delay_s=30),
    ],
    ids=lambda fault: fault.kind,
)
async def test_what_fails_before_the_first_sound_is_not_noticed(tmp_path: Path, fault: Fault) -> None:
    async with OpenAIServer() as openai, PollyServer() as polly:
        vendors = {"openai": openai, "polly": polly}
        quick = "{attempts: 3, first_content_s: 0.5}"
        async with desk(tmp_path, vendors, ("polly/neural", "openai/tts-1"), failover=quick) as front:
            polly.faults.add(fault)
            spoken = await front.speak()
    assert spoken.by == "openai/tts-1"
    assert spoken.headers["x-gateway-attempts"] == "2"
    assert hear(spoken.audio, "mp3").codec == "mp3"

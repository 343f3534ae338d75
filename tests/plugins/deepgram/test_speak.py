"""Aura's voices, rates, speeds and limits, against a fake whose rules are the SDK's own signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from deepgram.speak.v1.audio.raw_client import RawAudioClient
from openai import BadRequestError

from gateway.plugin import load_plugin
from gateway.types import Call, Head, Model, Provider, Receipt, Speech, Target
from tests.plugins.spoken import OPENAI_VOICES, PLUGINS, desk, seconds_of
from tests.vendors import fern
from tests.vendors.deepgram import DeepgramServer

PLUGIN: Any = load_plugin("deepgram", (PLUGINS,)).value


def refusal(model: str = "aura-2", **asked: Any) -> str | None:
    row = Model(model, "speech")
    target = Target(Provider("deepgram", PLUGIN, ""), row, PLUGIN.voices_at(row))
    head = Head("r", "POST", "/", {}, {}, "127.0.0.1")
    speech = Speech(**{"text": "Hello.", "voice": "nova"} | asked)
    call = Call("r", "speech", "openai.speech", "m", speech, head, Receipt("r", 0.0))
    reason: str | None = PLUGIN.refusal(call, target)
    return reason


def test_every_voice_is_one_that_the_sdk_knows() -> None:
    known = set(fern.literals(fern.known(RawAudioClient.generate)["model"]))
    assert set(PLUGIN.voice_facts) == known
    for model in ("aura-2", "aura"):
        assert set(PLUGIN.voices_at(Model(model, "speech")).values()) <= known


@pytest.mark.parametrize("model", ["aura-2", "aura"])
async def test_every_name_of_openais_is_spoken(tmp_path: Path, model: str) -> None:
    async with DeepgramServer() as vendor, desk(tmp_path, {"deepgram": vendor}, (f"deepgram/{model}",)) as front:
        for name in (*OPENAI_VOICES, "narrator", "man", "woman", f"{model}-zeus-en", "zeus"):
            await front.speak("Hello.", voice=name, response_format="pcm")
    assert vendor.refused == []
    asked = [parse_qs(record.target.partition("?")[2])["model"][0] for record in vendor.requests]
    assert len(set(asked[:13])) == (13 if model == "aura-2" else 12)
    genders = [PLUGIN.voice_facts[voice].gender for voice in asked[:13]]
    assert dict(zip(OPENAI_VOICES, genders, strict=True))["nova"] == "female"
    assert dict(zip(OPENAI_VOICES, genders, strict=True))["onyx"] == "male"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"language": "en-US"}, None),
        ({"language": "de"}, "has no voice 'aura-2-thalia-en' in de"),
        ({"voice": "viktoria", "language": "de"}, None),
        ({"voice": "viktoria", "speed": 1.1}, "speaks at its own speed only with aura-2-viktoria-de"),
        ({"voice": "selena", "speed": 1.1}, None),
        ({"speed": 0.7}, None),
        ({"speed": 0.69}, "speaks at 0.7 to 1.5"),
        ({"speed": 1.5}, None),
        ({"speed": 1.51}, "speaks at 0.7 to 1.5"),
        ({"model": "aura", "speed": 1.1}, "speaks at its own speed only with aura-asteria-en"),
        ({"model": "aura", "voice": "aura-2-thalia-en"}, "has no voice 'aura-2-thalia-en'"),
        ({"model": "nova-3"}, "is no family of voices"),
        ({"sample_rate_hz": 24_000}, "has no mp3 at 24000 Hz; it has 22050 Hz"),
        ({"format": "flac", "sample_rate_hz": 16_000}, None),
        ({"format": "flac", "sample_rate_hz": 24_000}, "has no flac at 24000 Hz"),
    ],
)
def test_reasons(asked: dict[str, Any], reason: str | None) -> None:
    found = refusal(**asked)
    assert (found is None) if reason is None else (found is not None and found.startswith(reason))


async def test_a_newer_voice_is_named_in_yaml(tmp_path: Path) -> None:
    voices = "{fresh: {deepgram: thalia}, hostess: {deepgram: aura-2-helena-en}}"
    async with (
        DeepgramServer() as vendor,
        desk(tmp_path, {"deepgram": vendor}, ("deepgram/aura-2",), voices=voices) as front,
    ):
        await front.speak(voice="fresh")
        await front.speak(voice="hostess")
    assert ["model=aura-2-thalia-en" in vendor.requests[0].target, "helena" in vendor.requests[1].target] == [
        True,
        True,
    ]


async def test_speed_is_heard(tmp_path: Path) -> None:
    async with DeepgramServer() as vendor, desk(tmp_path, {"deepgram": vendor}, ("deepgram/aura-2",)) as front:
        slow, fast = [(await front.speak(response_format="pcm", speed=speed)).audio for speed in (0.75, 1.5)]
    assert seconds_of(slow) > 1.6 * seconds_of(fast)


async def test_lengths_at_the_limit(tmp_path: Path) -> None:
    async with (
        DeepgramServer() as vendor,
        desk(tmp_path, {"deepgram": vendor}, ("deepgram/aura-2",), long_text="none") as front,
    ):
        for size in (1_999, 2_000):
            await front.speak("é" * 4 + " " * (size - 4), response_format="pcm")
        with pytest.raises(BadRequestError, match="takes at most 2000 characters, not 2001"):
            await front.speak("a" * 2_001)
    assert (len(vendor.requests), vendor.refused) == (2, [])

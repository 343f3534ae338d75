"""ElevenLabs' voices, formats, speeds and limits, against a fake whose rules are the SDK's own signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from elevenlabs.text_to_speech.raw_client import RawTextToSpeechClient
from openai import BadRequestError

from gateway.plugin import load_plugin
from gateway.types import Call, Head, Model, Provider, Receipt, Speech, Target
from tests.plugins.spoken import OPENAI_VOICES, PLUGINS, desk, seconds_of
from tests.vendors import fern
from tests.vendors.elevenlabs import ElevenLabsServer
from tests.vendors.elevenlabs.speak import VOICE_IDS

PLUGIN: Any = load_plugin("elevenlabs", (PLUGINS,)).value


def request_for(model: str = "eleven_flash_v2_5", voices: Any = None, **asked: Any) -> Any:
    """Return the request, or why there is none."""
    target = Target(
        Provider("elevenlabs", PLUGIN, "http://up"), Model(model, "speech"), {**PLUGIN.default_voices, **(voices or {})}
    )
    head = Head("r", "POST", "/", {}, {}, "127.0.0.1")
    speech = Speech(**{"text": "Hello.", "voice": "nova"} | asked)
    call = Call("r", "speech", "openai.speech", "m", speech, head, Receipt("r", 0.0))
    return PLUGIN.refusal(call, target) or PLUGIN.build(call, target)


async def test_every_name_of_openais_is_spoken_by_a_voice_of_its_own(tmp_path: Path) -> None:
    async with (
        ElevenLabsServer() as vendor,
        desk(tmp_path, {"elevenlabs": vendor}, ("elevenlabs/eleven_flash_v2_5",)) as front,
    ):
        for name in (*OPENAI_VOICES, "narrator", "man", "woman", "Sarah", "EXAVITQu4vr4xnSDxMaL"):
            await front.speak("Hello.", voice=name, response_format="pcm")
    assert vendor.refused == []
    assert len({record.path for record in list(vendor.requests)[:13]}) == 13
    assert set(PLUGIN.voice_facts) == set(VOICE_IDS)


def test_every_format_word_is_one_that_the_sdk_knows() -> None:
    from plugins.elevenlabs.speak import OUTPUT_FORMATS

    known = fern.literals(fern.known(RawTextToSpeechClient.stream)["output_format"])
    assert {word for words in OUTPUT_FORMATS.values() for word in words.values()} <= set(known)


@pytest.mark.parametrize("voice", ["../../user", "a/b", "abc?x=1", "abcdefgh#", "short", "a" * 65, "abcdefg\n", ""])
def test_what_is_no_id_never_becomes_part_of_the_path(voice: str) -> None:
    assert "its voices are named by their ids" in request_for(voices={"mine": voice}, voice="mine")


@pytest.mark.parametrize(
    ("model", "language", "wanted"),
    [
        ("eleven_flash_v2_5", None, None),
        ("eleven_flash_v2_5", "de-AT", "de"),
        ("eleven_multilingual_v2", "de", None),
        ("eleven_flash_v2", "en-GB", None),
    ],
)
def test_the_language_goes_where_the_model_takes_it(model: str, language: str | None, wanted: str | None) -> None:
    request = request_for(model, language=language)
    assert (f'"language_code":"{wanted}"'.encode() in request.body) == (wanted is not None)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"model": "eleven_flash_v2", "language": "de"}, "speaks English only"),
        ({"speed": 0.69}, "speaks at 0.7 to 1.2"),
        ({"speed": 1.21}, "speaks at 0.7 to 1.2"),
        ({"format": "mp3", "sample_rate_hz": 8_000}, "has no mp3 at 8000 Hz"),
        ({"is_ssml": True}, "takes no SSML"),
        ({"voice": "nobody"}, "has no voice 'nobody'"),
    ],
)
def test_reasons(asked: dict[str, Any], reason: str) -> None:
    assert request_for(**asked).startswith(reason)


@pytest.mark.parametrize(
    ("rate_hz", "word"), [(None, "mp3_44100_128"), (24_000, "mp3_24000_48"), (22_050, "mp3_22050_32")]
)
def test_a_rate_chooses_the_format_word(rate_hz: int | None, word: str) -> None:
    assert request_for(sample_rate_hz=rate_hz).url.endswith(f"/stream?output_format={word}")


async def test_speed_is_heard_at_its_limits(tmp_path: Path) -> None:
    async with (
        ElevenLabsServer() as vendor,
        desk(tmp_path, {"elevenlabs": vendor}, ("elevenlabs/eleven_flash_v2_5",)) as front,
    ):
        slow, fast = [(await front.speak(response_format="pcm", speed=speed)).audio for speed in (0.7, 1.2)]
    assert seconds_of(slow) > 1.4 * seconds_of(fast)


async def test_lengths_at_the_limit(tmp_path: Path) -> None:
    async with (
        ElevenLabsServer() as vendor,
        desk(tmp_path, {"elevenlabs": vendor}, ("elevenlabs/eleven_multilingual_v2",), long_text="none") as front,
    ):
        for size in (9_999, 10_000):
            await front.speak("Hello" + " " * (size - 5), response_format="pcm")
        with pytest.raises(BadRequestError, match="takes at most 10000 characters, not 10001"):
            await front.speak("a" * 10_001)
    assert (len(vendor.requests), vendor.refused) == (2, [])

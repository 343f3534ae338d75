"""Google's voices, languages, speeds and limits, against a fake that reads requests by Google's own schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError

from gateway.plugin import load_plugin
from gateway.types import Model, Provider, Speech, Target
from tests.plugins.spoken import OPENAI_VOICES, PLUGINS, desk, seconds_of
from tests.vendors.google_tts import ACCESS_TOKEN, VOICES, GoogleTtsServer

PLUGIN: Any = load_plugin("google_tts", (PLUGINS,)).value
FAMILIES = ("chirp3-hd", "neural2", "wavenet", "standard", "studio")


def request_for(model: str = "chirp3-hd", **asked: Any) -> dict[str, Any]:
    """Return the body, or {"refusal": …}."""
    from plugins.google_tts import request

    row = Model(model, "speech")
    target = Target(Provider("google-tts", PLUGIN, ""), row, PLUGIN.voices_at(row))
    speech = Speech(**{"text": "Hello.", "voice": "nova"} | asked)
    reason = request.refusal(speech, target)
    return {"refusal": reason} if reason is not None else request.build(speech, target)


@pytest.mark.parametrize("model", FAMILIES)
def test_every_name_of_openais_stands_for_a_voice_of_the_family(model: str) -> None:
    voices = PLUGIN.voices_at(Model(model, "speech"))
    for name in (*OPENAI_VOICES, "narrator", "man", "woman"):
        assert voices[name] in VOICES
        assert f"-{request_for(model, voice=name)['voice']['name'].split('-', 2)[2]}".lower().startswith(f"-{model}")


def test_men_stay_men_and_women_women() -> None:
    for model in FAMILIES:
        voices = PLUGIN.voices_at(Model(model, "speech"))
        genders = {name: PLUGIN.voice_facts[voice].gender for name, voice in voices.items()}
        assert {genders[name] for name in ("nova", "shimmer", "coral", "sage", "marin", "woman")} == {"female"}
        assert {genders[name] for name in ("onyx", "echo", "ash", "ballad", "verse", "cedar", "man")} == {"male"}


def test_chirps_thirteen_are_thirteen() -> None:
    voices = PLUGIN.voices_at(Model("chirp3-hd", "speech"))
    assert len({voices[name] for name in OPENAI_VOICES}) == 13


@pytest.mark.parametrize(
    ("model", "voice", "language", "wanted"),
    [
        ("chirp3-hd", "nova", None, "en-US-Chirp3-HD-Kore"),
        ("chirp3-hd", "nova", "en", "en-US-Chirp3-HD-Kore"),
        ("chirp3-hd", "nova", "en-gb", "en-GB-Chirp3-HD-Kore"),
        ("chirp3-hd", "nova", "es", "es-ES-Chirp3-HD-Kore"),
        ("chirp3-hd", "nova", "es_US", "es-US-Chirp3-HD-Kore"),
        ("chirp3-hd", "nova", "zh", "cmn-CN-Chirp3-HD-Kore"),
        ("chirp3-hd", "nova", "tlh", None),
        ("neural2", "nova", "en-US", "en-US-Neural2-C"),
        ("neural2", "nova", "es", None),
        ("neural2", "en-US-Chirp3-HD-Kore", None, None),
    ],
)
def test_a_voice_speaks_the_language_asked_for_or_is_refused(
    model: str, voice: str, language: str | None, wanted: str | None
) -> None:
    body = request_for(model, voice=voice, language=language)
    if wanted is None:
        assert body["refusal"].startswith("has no voice")
    else:
        assert body["voice"] == {"name": wanted, "languageCode": "-".join(wanted.split("-")[:2])}


@pytest.mark.parametrize(("speed", "is_fine"), [(0.24, False), (0.25, True), (2.0, True), (2.01, False)])
def test_speeds_at_the_limits(speed: float, is_fine: bool) -> None:
    assert ("refusal" not in request_for(speed=speed)) == is_fine


async def test_speed_is_heard(tmp_path: Path) -> None:
    async with GoogleTtsServer() as vendor, desk(tmp_path, {"google-tts": vendor}, ("google-tts/chirp3-hd",)) as front:
        slow, fast = [(await front.speak(response_format="pcm", speed=speed)).audio for speed in (0.8, 1.6)]
    assert seconds_of(slow) > 1.6 * seconds_of(fast)


@pytest.mark.parametrize("unit", ["a", "é", "好", "🎉"])
async def test_the_limit_counts_bytes(tmp_path: Path, unit: str) -> None:
    size = len(unit.encode())
    async with (
        GoogleTtsServer() as vendor,
        desk(tmp_path, {"google-tts": vendor}, ("google-tts/chirp3-hd",), long_text="none") as front,
    ):
        for text in (unit * ((5_000 - 1) // size), unit * (5_000 // size)):
            await front.speak(text[:40] + " " * (len(text.encode()) - len(text[:40].encode())), response_format="pcm")
        with pytest.raises(BadRequestError, match="takes at most 5000 bytes of UTF-8"):
            await front.speak(unit * (5_000 // size) + "a" * (5_001 - 5_000 // size * size))
    assert vendor.refused == []
    assert len(vendor.requests) == 2


async def test_an_access_token_goes_as_bearer(tmp_path: Path) -> None:
    from tests.plugins import spoken

    row = spoken.ROWS["google-tts"].replace("AIza-simulator-google", ACCESS_TOKEN)
    rows = {**spoken.ROWS, "google-tts": row + "\n    options: {auth: bearer, quota_project: my-project}"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken, "ROWS", rows)
        async with (
            GoogleTtsServer() as vendor,
            desk(tmp_path, {"google-tts": vendor}, ("google-tts/chirp3-hd",)) as front,
        ):
            await front.speak()
    assert vendor.requests[0].header("x-goog-user-project") == "my-project"
    assert vendor.requests[0].header("x-goog-api-key") is None

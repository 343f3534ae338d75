"""What voices can do, and why a call asks too much."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.audio.ability import Ability
from gateway.types import Speech

ABILITY = Ability({"mp3": (22_050, 44_100), "pcm": (24_000, 16_000)}, min_speed=0.5, max_speed=2.0)
SIXTEEN = Ability({"pcm": (16_000,), "wav": (16_000,)})


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, None),
        ({"format": "flac"}, "has no format flac; it has mp3, pcm"),
        ({"sample_rate_hz": 44_100}, None),
        ({"sample_rate_hz": 24_000}, "has no mp3 at 24000 Hz; it has 22050, 44100 Hz"),
        ({"format": "pcm"}, None),
        ({"format": "pcm", "sample_rate_hz": 16_000}, None),
        ({"speed": 0.5}, None),
        ({"speed": 0.49}, "speaks at 0.5 to 2 times its speed, not at 0.49"),
        ({"speed": 2.0}, None),
        ({"speed": 2.01}, "speaks at 0.5 to 2 times its speed, not at 2.01"),
        ({"is_ssml": True}, "takes no SSML"),
        ({"instructions": "gently"}, None),  # of those the plugin's `lacks` tells
    ],
)
def test_reasons(asked: dict[str, Any], reason: str | None) -> None:
    assert ABILITY.refusal(Speech("hello", "nova", **asked)) == reason


def test_pcm_means_24_khz_unless_a_rate_is_asked_for() -> None:
    assert SIXTEEN.refusal(Speech("a", "nova", format="pcm")) == "has no pcm at 24000 Hz; it has 16000 Hz"
    assert SIXTEEN.refusal(Speech("a", "nova", format="pcm", sample_rate_hz=16_000)) is None
    assert SIXTEEN.rate_hz(Speech("a", "nova", format="wav")) == 16_000


def test_without_speeds_there_is_one() -> None:
    assert SIXTEEN.refusal(Speech("a", "nova", format="wav", speed=1.5)) == (
        "speaks at its own speed only, not at 1.5 times that"
    )

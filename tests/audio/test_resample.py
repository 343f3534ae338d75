"""gateway/audio/resample.py, measured against the tone that went in."""

from __future__ import annotations

import math
import random
from array import array

import pytest

from gateway.audio.resample import Resampler


def tone(rate_hz: int, seconds: float, hertz: float = 440.0, peak: int = 10_000) -> bytes:
    steps = range(round(rate_hz * seconds))
    return array("h", [round(peak * math.sin(2 * math.pi * hertz * step / rate_hz)) for step in steps]).tobytes()


@pytest.mark.parametrize(
    ("source_hz", "target_hz"),
    [
        (22_050, 24_000),
        (22_050, 48_000),
        (44_100, 16_000),
        (8_000, 16_000),
        (24_000, 16_000),
        (22_050, 8_000),
        (16_000,) * 2,
    ],
)
def test_length_pitch_and_level_stay(source_hz: int, target_hz: int) -> None:
    sound = tone(source_hz, 1.0)
    resampler = Resampler(source_hz, target_hz)
    samples = array("h", resampler.feed(sound) + resampler.flush())
    assert len(samples) == target_hz
    wanted = array("h", tone(target_hz, 1.0))
    error = math.sqrt(sum((one - other) ** 2 for one, other in zip(samples, wanted, strict=True)) / len(samples))
    assert error < 0.13 * 10_000 / math.sqrt(2)  # averaging shifts by half a sample; a wrong rate would give 1.4


@pytest.mark.parametrize(("source_hz", "target_hz"), [(22_050, 24_000), (44_100, 16_000), (48_000, 11_025), (9, 8)])
def test_pieces_of_any_size_give_the_same(source_hz: int, target_hz: int) -> None:
    chance = random.Random(3)
    sound = chance.randbytes(9000)
    whole = Resampler(source_hz, target_hz)
    expected = whole.feed(sound) + whole.flush()
    pieces, at, made = Resampler(source_hz, target_hz), 0, b""
    while at < len(sound):
        step = chance.choice((1, 2, 3, 100, 1001))
        made += pieces.feed(sound[at : at + step])
        at += step
    assert made + pieces.flush() == expected
    assert len(expected) // 2 == math.ceil(4500 * target_hz / source_hz)


def test_nothing_gives_nothing() -> None:
    resampler = Resampler(22_050, 24_000)
    assert resampler.feed(b"") + resampler.flush() == b""

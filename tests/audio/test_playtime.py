"""How long streamed audio plays is told from its bytes, however they are cut."""

from __future__ import annotations

import pytest

from gateway.audio.playtime import Playtime
from gateway.types import AudioFormat
from tests.vendors.tones import SAMPLE_RATE_HZ, tone_file

ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x14" + b"\xff\xfe\xff\xfb\x90\x00" + b"\x00" * 14


def heard(name: str, data: bytes, size: int, rate_hz: int | None = SAMPLE_RATE_HZ) -> float | None:
    playtime = Playtime(AudioFormat(name, f"audio/{name}", rate_hz))
    for at in range(0, len(data), size):
        playtime.add(data[at : at + size])
    return playtime.seconds


@pytest.mark.parametrize("size", [1, 7, 1000, 10_000_000])
@pytest.mark.parametrize("seconds", [1.0, 4.5])
@pytest.mark.parametrize(("name", "off"), [("pcm", 0.0), ("wav", 0.0), ("mp3", 0.1), ("opus", 0.02)])
def test_the_seconds_of_a_format_are_told(name: str, off: float, seconds: float, size: int) -> None:
    assert heard(name, tone_file(name, 480, seconds), size) == pytest.approx(seconds, abs=off + 1e-9)


def test_a_tag_that_looks_like_audio_is_none() -> None:
    assert heard("mp3", ID3 + tone_file("mp3", 480, 4.5), 1000) == pytest.approx(4.5, abs=0.1)


@pytest.mark.parametrize(("name", "rate_hz"), [("flac", 24_000), ("aac", 24_000), ("pcm", None), ("unknown", None)])
def test_what_cannot_be_told_is_none(name: str, rate_hz: int | None) -> None:
    assert heard(name, b"\xff" * 100, 10, rate_hz) is None


@pytest.mark.parametrize("name", ["wav", "mp3"])
@pytest.mark.parametrize("data", [b"", b"RIFF", b"no audio at all" * 100, b"\xff" * 5000])
def test_what_is_no_audio_is_none(name: str, data: bytes) -> None:
    assert heard(name, data, 10) is None


def test_opus_that_has_not_begun_plays_no_time() -> None:
    assert heard("opus", b"OggS", 1) == 0

"""gateway/audio/duration.py and its parts, against ffmpeg's files."""

from __future__ import annotations

import io
import random
import struct
import time
from pathlib import Path

import pytest

from gateway.audio import wav
from gateway.audio.duration import duration_s
from tests.audio.conftest import ENCODINGS, SECONDS, STREAMED

UNKNOWN = {"fragmented.mp4", "live.webm", "streamed.flac", "adpcm.wav"}


def probe(content: bytes) -> float | None:
    return duration_s(io.BytesIO(content))


@pytest.mark.parametrize("name", [*ENCODINGS, *STREAMED])
def test_the_duration_is_right_or_unknown(recordings: Path, name: str) -> None:
    found = probe((recordings / name).read_bytes())
    if name in UNKNOWN:
        assert found is None
    else:
        assert found == pytest.approx(SECONDS, abs=0.1)  # mp3 and aac frames hold the encoder's padding as well


def test_the_position_is_left_at_the_start(recordings: Path) -> None:
    with open(recordings / "tone.mp3", "rb") as file:
        file.seek(100)
        assert duration_s(file) is not None
        assert file.tell() == 0


def test_chained_ogg_adds_up(recordings: Path) -> None:
    content = (recordings / "opus.ogg").read_bytes()
    assert probe(content * 2) == pytest.approx(2 * SECONDS, abs=0.05)


def test_a_long_mp3_without_a_count_is_extrapolated(recordings: Path) -> None:
    content = (recordings / "no-xing.mp3").read_bytes()
    frames = content[content.index(b"\xff\xfb") :]
    times = 450
    started_s = time.perf_counter()
    found = probe(frames * times)
    assert time.perf_counter() - started_s < 2
    assert found == pytest.approx(times * (probe(frames) or 0), rel=0.01)


def test_junk_between_frames_hides_nothing(recordings: Path) -> None:
    content = (recordings / "no-xing.mp3").read_bytes()
    frames = content[content.index(b"\xff\xfb") :]
    assert probe(frames + b"\0" * 5000 + frames) == pytest.approx(2 * (probe(frames) or 0), abs=0.06)


@pytest.mark.parametrize("name", ["tone.wav", "tone.mp3", "no-xing.mp3", "opus.ogg", "tone.aac"])
def test_a_cut_file_lasts_as_long_as_what_is_there(recordings: Path, name: str) -> None:
    content = (recordings / name).read_bytes()
    found = probe(content[: len(content) // 2])
    assert found is not None
    assert SECONDS * 0.1 < found < SECONDS * 0.75


@pytest.mark.parametrize("name", [*ENCODINGS, *STREAMED])
def test_cut_anywhere_nothing_is_raised(recordings: Path, name: str) -> None:
    content = (recordings / name).read_bytes()
    for at in [*range(0, 600, 7), *range(600, min(len(content), 8000), 501)]:
        found = probe(content[:at])
        assert found is None or 0 <= found <= SECONDS + 0.2


@pytest.mark.parametrize("name", [*ENCODINGS, *STREAMED])
def test_damaged_headers_raise_nothing_and_take_no_time(recordings: Path, name: str) -> None:
    content = (recordings / name).read_bytes()[:20_000]
    chance = random.Random(name)
    started_s = time.perf_counter()
    for _ in range(100):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 30)):
            damaged[chance.randrange(min(len(damaged), 4500))] = chance.choice((0, 0xFF, chance.randrange(256)))
        found = probe(bytes(damaged))
        assert found is None or found >= 0
    assert time.perf_counter() - started_s < 2


def test_no_audio_has_no_duration() -> None:
    for content in (b"", b"PK\x03\x04" * 99, b"RIFF", b"ID3", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"OggS", b"fLaC"):
        assert probe(content) is None


def test_a_wav_of_zero_hertz_has_no_duration() -> None:
    content = bytearray(wav.wrap(bytes(1000), 16_000))
    struct.pack_into("<I", content, 24, 0)
    assert probe(bytes(content)) is None


def test_a_wav_is_not_longer_than_its_bytes() -> None:
    content = wav.header(8_000, data_bytes=1_000_000_000) + bytes(16_000)
    assert probe(content) == 1.0

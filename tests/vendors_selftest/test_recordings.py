"""tests/vendors/recordings.py: containers are told from bytes, WAV durations from what is really there."""

from __future__ import annotations

import struct
from importlib.util import find_spec

import pytest

from tests.vendors import recordings
from tests.vendors.recordings import UnreadableAudio, container_of, duration_s
from tests.vendors.tones import tone_file, tone_pcm, wav_file

SECOND = wav_file(tone_pcm(400, 1.0))
DATA_SIZE_AT = 40


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 48_000])
def test_a_wav_header_may_leave_its_length_open(size: int) -> None:
    wav = bytearray(SECOND)
    struct.pack_into("<I", wav, DATA_SIZE_AT, size)
    assert duration_s(bytes(wav)) == 1.0


def test_chunks_before_the_data_are_skipped() -> None:
    odd = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    assert duration_s(SECOND[:12] + odd + SECOND[12:]) == 1.0


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (SECOND, "wav"),
        (b"ID3\x04" + bytes(9), "mp3"),
        (b"\xff\xfb\x90\x00", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"\x1a\x45\xdf\xa3....webm", "webm"),
        (b"\0\0\0 ftypM4A ", "mp4"),
    ],
)
def test_containers(data: bytes, container: str) -> None:
    assert container_of(data) == container


@pytest.mark.parametrize("data", [b"", b"RIFF1234AVI ", b"{}", tone_pcm(200, 0.1), b"\x1a\x45\xdf\xa3....matroska"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableAudio):
        container_of(data)


@pytest.mark.skipif(find_spec("av") is None, reason="compressed audio needs PyAV")
def test_damaged_audio_is_refused_and_without_pyav_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    flac = tone_file("flac", 400, 1.0)
    assert duration_s(flac) == 1.0
    with pytest.raises(UnreadableAudio):
        duration_s(b"fLaC" + bytes(4000))
    monkeypatch.setattr(recordings, "find_spec", lambda name: None)
    assert duration_s(bytes.fromhex("664c6143") + bytes(15_996)) == 1.0

"""What is told of a recording before anybody writes it down, against files of real encoders; no whole file is cut."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.audio.probe import Unreadable, probe
from gateway.types import Sound
from tests.audio.conftest import ENCODINGS, STREAMED

SOUNDS = {
    "tone.wav": Sound("pcm", 44_100, 1, 16),
    "float.wav": Sound("float", 44_100, 1, 32),
    "mulaw.wav": Sound("mulaw", 44_100, 1, 8),
    "surround.wav": Sound("pcm", 44_100, 6, 24),
    "tone.mp3": Sound("mp3", 44_100, 1),
    "low-rate.mp3": Sound("mp3", 16_000, 1),
    "tone.flac": Sound("flac", 44_100, 1, 16),
    "vorbis.ogg": Sound("vorbis"),
    "opus.ogg": Sound("opus", 48_000, 1),
    "tone.m4a": Sound("aac"),
    "tone.webm": Sound("opus", 48_000),
    "tone.aac": Sound("aac", 44_100, 1),
}


@pytest.mark.parametrize("name", [*ENCODINGS, *STREAMED])
def test_a_whole_file_is_never_called_cut(name: str, recordings: Path) -> None:
    with open(recordings / name, "rb") as file:
        facts = probe(file)
    assert facts.container in ("wav", "mp3", "flac", "ogg", "mp4", "webm", "aac")


@pytest.mark.parametrize("name", SOUNDS)
def test_the_head_says_what_is_in_the_container(name: str, recordings: Path) -> None:
    with open(recordings / name, "rb") as file:
        assert probe(file).sound == SOUNDS[name]


@pytest.mark.parametrize("name", ["tone.wav", "tone.mp3", "tone.m4a", "vorbis.ogg", "opus.ogg"])
def test_half_a_file_breaks_off(name: str, recordings: Path) -> None:
    content = (recordings / name).read_bytes()
    with pytest.raises(Unreadable, match="breaks off"):
        probe(io.BytesIO(content[: len(content) // 2]))


@pytest.mark.parametrize("name", [*ENCODINGS, *STREAMED])
def test_no_prefix_of_a_file_is_a_fault_of_ours(name: str, recordings: Path) -> None:
    content = (recordings / name).read_bytes()
    for size in [*range(0, 200, 7), 500, 1_000, 4_000, 10_000]:
        with suppress(Unreadable):
            probe(io.BytesIO(content[:size]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04" * 100, "not audio"),
        (b"\0" * 5_000, "not audio"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0" + bytes(12) + b"data\0\0\0\0", "0 Hz"),
        (b"fLaC" + bytes(50), "0 Hz"),
        (b"fLaC", "without its first block"),
    ],
)
def test_what_nobody_can_read_is_told(content: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        probe(io.BytesIO(content))

"""gateway/audio/sniff.py and frames.py."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest

from gateway.audio.frames import adts_header, mpeg_header
from gateway.audio.sniff import SNIFF_BYTES, content_type, sniff
from tests.audio.conftest import ENCODINGS, STREAMED

CONTAINERS = {".wav": "wav", ".mp3": "mp3", ".flac": "flac", ".ogg": "ogg", ".webm": "webm", ".aac": "aac"}


@pytest.mark.parametrize("name", [*ENCODINGS, *STREAMED])
def test_each_container_is_known_by_its_bytes(recordings: Path, name: str) -> None:
    start = (recordings / name).read_bytes()[:SNIFF_BYTES]
    assert sniff(start) == CONTAINERS.get(Path(name).suffix, "mp4")


@pytest.mark.parametrize("name", ["tone.mp3", "tone.aac"])
def test_frames_are_known_without_a_tag_and_from_few_bytes(recordings: Path, name: str) -> None:
    content = (recordings / name).read_bytes()
    header = mpeg_header if name.endswith("mp3") else adts_header
    start = next(at for at in range(len(content)) if header(content, at) and sniff(content[at : at + SNIFF_BYTES]))
    assert sniff(content[start : start + 16]) == CONTAINERS[Path(name).suffix]


def test_a_zip_named_wav_is_no_audio() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.wav", b"RIFF")
    assert sniff(archive.getvalue()) is None


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"R",
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"\x00\x00\x00\x18ftypavif",
        b"\x00\x00\x00\x18ftypheic",
        b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"\xff\xfe<\x00h\x00t\x00m\x00l\x00",
        b"\xff\xff\xff\xff" * 100,
        b'{"error": "not found"}',
        b"#EXTM3U\n",
    ],
)
def test_other_things_are_no_audio(start: bytes) -> None:
    assert sniff(start) is None


def test_random_bytes_are_hardly_ever_audio() -> None:
    chance = random.Random(7)
    assert sum(sniff(chance.randbytes(SNIFF_BYTES)) is not None for _ in range(3000)) <= 1


def test_pcm_states_its_rate_and_opus_its_container() -> None:
    assert content_type("pcm", 24_000) == "audio/pcm;rate=24000"
    assert content_type("opus", 24_000) == "audio/ogg"
    assert content_type("mp3") == "audio/mpeg"
    assert content_type("speex") == "application/octet-stream"

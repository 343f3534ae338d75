"""gateway/audio/wav.py, with sox as the reader of what is written."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest

from gateway.audio import wav


def soxi(content: bytes, folder: Path) -> tuple[int, int, int, int]:
    """(rate, channels, bits, samples of a channel) as sox sees them."""
    file = folder / "written.wav"
    file.write_bytes(content)
    figures = [
        subprocess.run(["soxi", option, str(file)], capture_output=True, check=True)
        for option in ["-r", "-c", "-b", "-s"]
    ]
    rate_hz, channels, bits, samples = (int(figure.stdout) for figure in figures)
    return rate_hz, channels, bits, samples


@pytest.mark.parametrize(("channels", "bits", "frames"), [(1, 16, 1000), (2, 16, 999), (1, 8, 7), (6, 24, 5)])
def test_a_wrapped_file_reads_as_it_was_made(tmp_path: Path, channels: int, bits: int, frames: int) -> None:
    pcm = random.Random(1).randbytes(frames * channels * bits // 8)
    content = wav.wrap(pcm, 24_000, channels=channels, bits_per_sample=bits)
    assert soxi(content, tmp_path) == (24_000, channels, bits, frames)
    read, samples = wav.strip(content)
    assert samples == pcm
    assert (read.encoding, read.sample_rate_hz, read.channels, read.bits_per_sample) == ("pcm", 24_000, channels, bits)
    assert struct.unpack_from("<I", content, 4)[0] == len(content) - 8


def test_a_header_without_length_means_until_the_end(tmp_path: Path) -> None:
    head = wav.header(24_000)
    assert (len(head), head[4:8], head[40:44]) == (44, b"\xff" * 4, b"\xff" * 4)
    read = wav.parse(head)
    assert read is not None
    assert read.data_bytes is None
    decoded = subprocess.run(
        ["sox", "-", "-t", "raw", "-"], input=head + b"\1\2" * 500, capture_output=True, check=True
    )
    assert decoded.stdout == b"\1\2" * 500


def test_samples_beyond_four_gigabytes_are_left_without_length() -> None:
    assert wav.header(24_000, data_bytes=0xFFFFFFFF)[40:44] == b"\xff" * 4


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))


def riff(*chunks: bytes) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def test_other_chunks_before_and_after_the_samples_are_left_out() -> None:
    content = riff(
        chunk(b"LIST", b"INFOodd"), FMT, chunk(b"fact", b"1234"), chunk(b"data", b"abcd"), chunk(b"LIST", b"xy")
    )
    assert wav.strip(content)[1] == b"abcd"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFDB])
def test_a_length_that_only_a_stream_would_write_is_not_believed(size: int) -> None:
    content = riff(FMT, b"data" + struct.pack("<I", size)) + b"abcdef"
    read, samples = wav.strip(content)
    assert read.data_bytes is None
    assert samples == b"abcdef"


def test_an_extensible_header_gives_its_real_encoding() -> None:
    layout = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 48_000, 384_000, 8, 32, 22, 32, 3) + struct.pack("<H", 3) + bytes(14)
    read, samples = wav.strip(riff(chunk(b"fmt ", layout), chunk(b"data", bytes(16))))
    assert (read.encoding, read.channels, read.bits_per_sample, len(samples)) == ("float", 2, 32, 16)


@pytest.mark.parametrize("cut", [*range(1, 60)])
def test_a_stream_is_stripped_wherever_it_is_cut(cut: int) -> None:
    content = riff(FMT, chunk(b"LIST", b"abc"), chunk(b"data", b"0123456789"), chunk(b"LIST", b"after"))
    stripper = wav.Stripper()
    parts = [stripper.feed(content[at : at + cut]) for at in range(0, len(content), cut)]
    assert b"".join(parts) == b"0123456789"
    assert stripper.wav is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04" + bytes(50), "does not begin with RIFF"),
        (b"<!DOCTYPE", "does not begin with RIFF"),
        (b"RIFF\0\0\0\0AVI " + bytes(50), "does not begin with RIFF"),
        (riff(chunk(b"data", b"ab")), "data before its format"),
        (riff(chunk(b"fmt ", b"short")), "too short"),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16))), "0 Hz"),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 0, 8000, 0, 0, 16))), "0 channels"),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 3, 16))), "frames of 3 bytes"),
        (riff(chunk(b"junk", bytes(wav.MAX_HEADER_BYTES))), "no data chunk"),
    ],
)
def test_what_is_no_wav_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(wav.NotWav, match=reason):
        wav.strip(content)


def test_a_file_that_ends_in_its_header_is_refused() -> None:
    with pytest.raises(wav.NotWav, match="ends within its header"):
        wav.strip(wav.header(8_000)[:30])

"""Conversion without PyAV: PCM and WAV at other rates, by the standard library alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.audio import transcode, wav
from gateway.errors import UpstreamMalformed
from tests.vendors.tones import tone_pcm, wav_file


@pytest.fixture(autouse=True)
def without_codecs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcode, "HAS_CODECS", False)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def convert(data: bytes, source: str, source_hz: int, wanted: str, wanted_hz: int, size: int = 999) -> bytes:
    wish = {"source": source, "source_hz": source_hz, "wanted": wanted, "wanted_hz": wanted_hz}
    _, *made = transcode.work(wish, pieces(data, size))
    return b"".join(piece for piece in made if isinstance(piece, bytes))


@pytest.mark.parametrize("size", [1, 7, 999, 100_000])
def test_pcm_gets_another_rate_and_a_header(size: int) -> None:
    made = convert(tone_pcm(400, 1.0, 16_000), "pcm", 16_000, "wav", 24_000, size)
    head, samples = wav.strip(made)
    assert (head.sample_rate_hz, head.channels, head.bits_per_sample) == (24_000, 1, 16)
    assert len(samples) == 48_000


@pytest.mark.parametrize("size", [1, 43, 44, 45, 100_000])
def test_a_wav_loses_its_header_wherever_it_is_cut(size: int) -> None:
    made = convert(wav_file(tone_pcm(400, 0.5, 24_000), 24_000), "wav", 24_000, "pcm", 8_000, size)
    assert len(made) == 8_000


def test_the_rate_of_a_wav_is_its_headers() -> None:
    assert len(convert(wav_file(tone_pcm(400, 1.0, 8_000), 8_000), "wav", 24_000, "pcm", 24_000)) == 48_000


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (b"", "pcm"),
        (b"", "wav"),
        (b"abc", "pcm"),
        (b"RIFF", "wav"),
        (b"no wav at all" * 10, "wav"),
        (wav.wrap(bytes(400), 8_000, channels=2), "wav"),
        (wav.header(8_000), "wav"),
    ],
)
def test_what_is_no_sound_is_an_error_and_never_an_empty_answer(data: bytes, source: str) -> None:
    with pytest.raises(UpstreamMalformed):
        convert(data, source, 8_000, "pcm", 24_000)


def test_a_header_goes_out_with_the_first_sound_only() -> None:
    wish = {"source": "pcm", "source_hz": 24_000, "wanted": "wav", "wanted_hz": 24_000}
    answer = transcode.work(wish, pieces(bytes(4_000), 2_000))
    next(answer)
    first = next(answer)
    assert isinstance(first, bytes)
    assert len(first) == wav.HEADER_BYTES + 2_000

"""Read back the text from audio that the sandbox spoke."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audio import wav
from gateway.audio.sniff import SNIFF_BYTES, sniff

from . import mp3
from .envelope import unpack_all, unpack_all_bits

_LOWEST_BIT = b"01" * 128  # byte -> the character of its lowest bit


class NotAudio(ValueError):
    """The bytes are not audio of any kind that is known."""


class ForeignAudio(ValueError):
    """Somebody else's audio, or the sandbox's own re-encoded."""


@dataclass(frozen=True, slots=True)
class Heard:
    text: str
    duration_s: float


def hear(data: bytes) -> Heard:
    """Return what the sandbox said in a WAV or MP3 file. Raises NotAudio, ForeignAudio."""
    container = sniff(data[:SNIFF_BYTES])
    if container is None:
        raise NotAudio("the file is not audio")
    if container == "wav":
        return _from_wav(data)
    if container == "mp3":
        return _from_mp3(data)
    raise ForeignAudio(container)


def _from_wav(data: bytes) -> Heard:
    """Tools that keep samples may widen them or add channels: the top 16 bits of the first channel count."""
    try:
        head, samples = wav.strip(data)
    except wav.NotWav as error:
        raise NotAudio(f"the file is a damaged WAV file: it {error}") from error
    if not samples:
        raise NotAudio("the file is a WAV file without samples")
    width = (head.bits_per_sample + 7) // 8
    if head.encoding != "pcm" or width < 2:
        raise ForeignAudio("wav")
    low_bytes = samples[width - 2 :: width * head.channels]
    return _heard(unpack_all_bits(low_bytes.translate(_LOWEST_BIT)), len(low_bytes) / head.sample_rate_hz)


def _from_mp3(data: bytes) -> Heard:
    duration_s, carried = mp3.read(data)
    if not duration_s:
        raise NotAudio("the file is named an MP3 but has no whole frame of audio")
    return _heard(unpack_all(carried), duration_s)


def _heard(texts: list[str], duration_s: float) -> Heard:
    if not texts:
        raise ForeignAudio("unknown voice")
    return Heard("".join(texts), round(duration_s, 3))

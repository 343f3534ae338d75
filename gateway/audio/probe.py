"""What a recording is, told from its bytes before anybody is asked to write it down.

What nobody can read, and what breaks off by its own account, is refused here: a vendor would write down the part that
is there, and call that the whole. Nothing is decoded; what cannot be told from the container stays None.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

from gateway.audio import wav
from gateway.audio.duration import duration_s
from gateway.audio.frames import adts_header, mpeg_header
from gateway.audio.sniff import SNIFF_BYTES, sniff
from gateway.audio.whole import missing
from gateway.types import Sound

HEAD_BYTES = 65_536  # of a file, in which its container says what it holds; an MP3 with a large picture says it later
KINDS = "flac, mp3, mp4, ogg, wav or webm"

_MARKS: Mapping[str, tuple[tuple[bytes, str], ...]] = {  # what a container calls its codecs
    "ogg": ((b"OpusHead", "opus"), (b"\x01vorbis", "vorbis"), (b"\x7fFLAC", "flac"), (b"Speex   ", "speex")),
    "webm": ((b"A_OPUS", "opus"), (b"A_VORBIS", "vorbis")),
    "mp4": ((b"mp4a", "aac"), (b"alac", "alac"), (b"Opus", "opus")),
}


class Unreadable(ValueError):
    """Nobody can write this down; the text says why, and goes on after the file's name."""


@dataclass(frozen=True, slots=True)
class Facts:
    container: str  # wav mp3 flac ogg webm mp4 aac
    duration_s: float | None
    sound: Sound


def probe(file: IO[bytes]) -> Facts:
    """Return what a seekable file is. Raises Unreadable. Blocks on the file: call it in a thread."""
    file.seek(0)
    start = file.read(HEAD_BYTES)
    if not start:
        raise Unreadable("is empty")
    container = sniff(start[:SNIFF_BYTES])
    if container is None:
        raise Unreadable(f"is not audio that is known here; send {KINDS}")
    size_bytes = file.seek(0, os.SEEK_END)
    sound = _HEADS[container](start)
    lack = missing(file, container, size_bytes)
    if lack is not None:
        raise Unreadable(f"breaks off: {lack}; send the whole file")
    return Facts(container, duration_s(file), sound)


def _wav(start: bytes) -> Sound:
    try:
        head = wav.parse(start)
    except wav.NotWav as error:
        raise Unreadable(f"is a WAV file that {error}") from error
    if head is None:
        return Sound()
    return Sound(head.encoding, head.sample_rate_hz, head.channels, head.bits_per_sample)


def _flac(start: bytes) -> Sound:
    """STREAMINFO: 20 bits of rate, 3 of channels, 5 of sample size (RFC 9639 §8.2)."""
    if len(start) < 26 or start[4] & 0x7F:
        raise Unreadable("is a FLAC file without its first block")
    packed = int.from_bytes(start[18:26], "big")
    rate_hz = packed >> 44
    if not rate_hz:
        raise Unreadable("is a FLAC file that has a sample rate of 0 Hz")
    return Sound("flac", rate_hz, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1)


def _mp3(start: bytes) -> Sound:
    at = 0
    if start[:3] == b"ID3" and len(start) > 10:
        at = 10 + (start[6] << 21 | start[7] << 14 | start[8] << 7 | start[9])
    frame = mpeg_header(start, at)
    return Sound("mp3", frame.rate_hz, frame.channels) if frame else Sound("mp3")


def _aac(start: bytes) -> Sound:
    frame = adts_header(start, 0)
    return Sound("aac", frame.rate_hz, frame.channels) if frame else Sound("aac")


def _ogg(start: bytes) -> Sound:
    codec, at = _marked(start, "ogg")
    if codec == "opus":
        return Sound(codec, 48_000, start[at + 9] if len(start) > at + 9 else None)
    return Sound(codec)


def _webm(start: bytes) -> Sound:
    codec, _ = _marked(start, "webm")
    return Sound(codec, 48_000 if codec == "opus" else None)


def _mp4(start: bytes) -> Sound:
    return Sound(_marked(start, "mp4")[0])


def _marked(start: bytes, container: str) -> tuple[str | None, int]:
    for mark, codec in _MARKS[container]:
        at = start.find(mark)
        if at >= 0:
            return codec, at
    return None, 0


_HEADS: Mapping[str, Callable[[bytes], Sound]] = {
    "wav": _wav,
    "flac": _flac,
    "mp3": _mp3,
    "aac": _aac,
    "ogg": _ogg,
    "webm": _webm,
    "mp4": _mp4,
}

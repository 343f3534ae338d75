"""RIFF/WAVE: write a header, read one, take one off a stream.

Source: Microsoft and IBM, Multimedia Programming Interface 1.0 (1991) §3; WAVEFORMATEXTENSIBLE of mmreg.h; EBU Tech
3306 (RF64). Real files lie about their sizes (streams cannot know them): a size is believed only where it can be true.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

UNKNOWN_SIZE = 0xFFFFFFFF  # what ffmpeg and sox write, and read as "until the end", when the length is not known
HEADER_BYTES = 44
MAX_HEADER_BYTES = 1_048_576  # a stream that has no `data` chunk after this much is not one we wait for

_ENCODINGS = {1: "pcm", 3: "float", 6: "alaw", 7: "mulaw"}
KNOWN_ENCODINGS = frozenset(_ENCODINGS.values())
_TAGS = {encoding: tag for tag, encoding in _ENCODINGS.items()}
_EXTENSIBLE = 0xFFFE
_MAX_CHANNELS = 64
_MAX_RATE_HZ = 768_000


class NotWav(ValueError):
    """The bytes are not a WAV file, or not one that can be played."""


@dataclass(frozen=True, slots=True)
class Wav:
    """What a header says. `data_bytes` is None where the length is not stated, or cannot be true."""

    encoding: str  # pcm float alaw mulaw, or the format's number in hexadecimal
    sample_rate_hz: int
    channels: int
    bits_per_sample: int
    bytes_per_s: int
    data_offset: int
    data_bytes: int | None


def header(
    sample_rate_hz: int,
    *,
    channels: int = 1,
    bits_per_sample: int = 16,
    data_bytes: int | None = None,
    encoding: Literal["pcm", "alaw", "mulaw"] = "pcm",
) -> bytes:
    """Return the 44 bytes that go before samples; without `data_bytes` the sizes say "until the end"."""
    frame_bytes = channels * bits_per_sample // 8
    is_exact = data_bytes is not None and data_bytes <= UNKNOWN_SIZE - HEADER_BYTES
    size = data_bytes if is_exact and data_bytes is not None else UNKNOWN_SIZE
    riff_size = size + HEADER_BYTES - 8 + size % 2 if is_exact else UNKNOWN_SIZE
    layout = (_TAGS[encoding], channels, sample_rate_hz, sample_rate_hz * frame_bytes, frame_bytes, bits_per_sample)
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", riff_size, b"WAVE", b"fmt ", 16, *layout, b"data", size)


def wrap(pcm: bytes, sample_rate_hz: int, *, channels: int = 1, bits_per_sample: int = 16) -> bytes:
    """Return a complete WAV file around integer PCM samples."""
    head = header(sample_rate_hz, channels=channels, bits_per_sample=bits_per_sample, data_bytes=len(pcm))
    return head + pcm + b"\0" * (len(pcm) % 2)  # chunks are padded to an even length


def parse(start: bytes) -> Wav | None:
    """Read the header at the start of a file or stream; None means that more bytes are needed. Raises NotWav."""
    if len(start) < 12:
        if not b"RIFF".startswith(start[:4]) and start[:4] not in (b"RIFF", b"RF64", b"BW64"):
            raise NotWav("does not begin with RIFF")
        return None
    if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:12] != b"WAVE":
        raise NotWav("does not begin with RIFF … WAVE")
    at, layout = 12, None
    while len(start) >= at + 8:
        kind, size = struct.unpack_from("<4sI", start, at)
        if kind == b"data":
            if layout is None:
                raise NotWav("has its data before its format")
            return Wav(*layout, data_offset=at + 8, data_bytes=_believable(size))
        if kind == b"fmt ":
            if len(start) < at + 8 + size:
                break
            layout = _layout(start[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    if len(start) >= MAX_HEADER_BYTES or at > MAX_HEADER_BYTES:
        raise NotWav(f"has no data chunk in its first {MAX_HEADER_BYTES} bytes")
    return None


def strip(data: bytes) -> tuple[Wav, bytes]:
    """Return the header and the samples of a whole file, without what follows them. Raises NotWav."""
    wav = parse(data)
    if wav is None:
        raise NotWav("ends within its header")
    end = len(data) if wav.data_bytes is None else wav.data_offset + wav.data_bytes
    return wav, data[wav.data_offset : end]


class Stripper:
    """Takes off a stream's header and what follows its samples. `wav` is None until the header was read."""

    def __init__(self) -> None:
        self.wav: Wav | None = None
        self._start = b""
        self._left: int | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Return the samples among the next bytes, b"" while the header is incomplete. Raises NotWav."""
        if self.wav is None:
            self._start += chunk
            self.wav = parse(self._start)
            if self.wav is None:
                return b""
            chunk, self._start = self._start[self.wav.data_offset :], b""
            self._left = self.wav.data_bytes
        if self._left is None:
            return chunk
        samples = chunk[: self._left]
        self._left -= len(samples)
        return samples


def _believable(size: int) -> int | None:
    # 0 and the sizes next to 2³¹ and 2³² are what writers that cannot seek back leave in the header.
    return None if size == 0 or size >= 0x7FFFF000 else size


def _layout(fmt: bytes) -> tuple[str, int, int, int, int]:
    if len(fmt) < 16:
        raise NotWav("has a format chunk that is too short")
    tag, channels, rate_hz, bytes_per_s, frame_bytes, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        tag = struct.unpack_from("<H", fmt, 24)[0]
    if not 1 <= rate_hz <= _MAX_RATE_HZ:
        raise NotWav(f"has a sample rate of {rate_hz} Hz")
    if not 1 <= channels <= _MAX_CHANNELS:
        raise NotWav(f"has {channels} channels")
    if tag in _ENCODINGS and (not 8 <= bits <= 64 or frame_bytes != channels * ((bits + 7) // 8)):
        raise NotWav(f"has {bits} bits a sample in frames of {frame_bytes} bytes")
    if tag in _ENCODINGS:
        bytes_per_s = rate_hz * frame_bytes  # the stated one is only an average, and often wrong
    if bytes_per_s == 0:
        raise NotWav("has 0 bytes a second")
    return _ENCODINGS.get(tag, f"0x{tag:04x}"), rate_hz, channels, bits, bytes_per_s

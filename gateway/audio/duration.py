"""How long a recording lasts, read from its container in bounded work; nothing is decoded.

A file that breaks off, lies or is no audio gives a shorter figure or None, never an exception: who needs certainty
decodes.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Mapping
from typing import IO

from gateway.audio import wav
from gateway.audio.duration_boxes import mp4_duration_s, webm_duration_s
from gateway.audio.duration_frames import aac_duration_s, mp3_duration_s
from gateway.audio.duration_ogg import ogg_duration_s
from gateway.audio.sniff import SNIFF_BYTES, sniff

_MAX_DURATION_S = 10_000_000.0  # 115 days: what says more is a damaged header


def duration_s(file: IO[bytes]) -> float | None:
    """Return the seconds of audio in a seekable file, or None where they cannot be told. Leaves the position at 0.

    Blocks on the file: call it in a thread. Reads at most some MiB of headers, whatever the file's size.
    """
    file.seek(0)
    container = sniff(file.read(SNIFF_BYTES))
    if container is None:
        file.seek(0)
        return None
    size_bytes = file.seek(0, os.SEEK_END)
    try:
        seconds = _PROBES[container](file, size_bytes)
    except (struct.error, IndexError, ValueError, OverflowError, ZeroDivisionError):
        seconds = None  # a damaged container: that nothing can be told is the answer
    file.seek(0)
    if seconds is None or not math.isfinite(seconds) or not 0 <= seconds <= _MAX_DURATION_S:
        return None
    return seconds


def _wav_duration_s(file: IO[bytes], size_bytes: int) -> float | None:
    file.seek(0)
    info = wav.parse(file.read(wav.MAX_HEADER_BYTES))
    if info is None or info.encoding not in wav.KNOWN_ENCODINGS:
        return None  # the bytes a second of other encodings (ADPCM, GSM) are an average that real files get wrong
    present = max(0, size_bytes - info.data_offset)
    data_bytes = present if info.data_bytes is None else min(present, info.data_bytes)
    return data_bytes / info.bytes_per_s


def _flac_duration_s(file: IO[bytes], size_bytes: int) -> float | None:
    """STREAMINFO: 20 bits of rate, 3 of channels, 5 of sample size, 36 of total samples (RFC 9639 §8.2)."""
    file.seek(0)
    start = file.read(26)
    if len(start) < 26 or start[4] & 0x7F != 0:
        return None
    packed = int.from_bytes(start[18:26], "big")
    rate_hz, samples = packed >> 44, packed & 0xFFFFFFFFF
    return samples / rate_hz if rate_hz and samples else None  # 0 samples: written by somebody who could not know


_PROBES: Mapping[str, Callable[[IO[bytes], int], float | None]] = {
    "wav": _wav_duration_s,
    "flac": _flac_duration_s,
    "mp3": mp3_duration_s,
    "aac": aac_duration_s,
    "ogg": ogg_duration_s,
    "mp4": mp4_duration_s,
    "webm": webm_duration_s,
}

"""What is known of an uploaded recording: its container, told from the bytes, and how long it lasts."""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec

GUESSED_BYTES_PER_S = 16_000  # 128 kbit/s: the estimate for compressed audio when PyAV is not installed


class UnreadableAudio(ValueError):
    """The bytes are not audio of a known container, or are damaged."""


def container_of(data: bytes) -> str:
    """Return wav, mp3, flac, ogg, mp4, webm, mpeg or aac; UnreadableAudio for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:4] == b"OggS":
        return "ogg"
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[:4] == b"\x1a\x45\xdf\xa3" and b"webm" in data[:64]:
        return "webm"
    if data[:4] == b"\x00\x00\x01\xba":
        return "mpeg"
    if data[:3] == b"ID3":
        return "mp3"
    if len(data) > 3 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:  # an MPEG audio frame; layer bits 00 mean ADTS
        return "mp3" if data[1] & 0x06 else "aac"
    raise UnreadableAudio("not a known audio container")


def duration_s(data: bytes) -> float:
    """Return the length in seconds; of compressed audio only an estimate when PyAV is not installed."""
    if container_of(data) == "wav":
        return _wav_duration_s(data)
    if find_spec("av") is None:
        return len(data) / GUESSED_BYTES_PER_S
    return _decoded_duration_s(data)


def _wav_duration_s(data: bytes) -> float:
    """Return the samples present over the byte rate; a header of unknown length (0 or 0xFFFFFFFF) is fine."""
    place, byte_rate = 12, 0
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"fmt " and place + 24 <= len(data):
            byte_rate = struct.unpack_from("<I", data, place + 16)[0]
        elif name == b"data":
            if not byte_rate:
                break
            present = len(data) - place - 8
            return float((min(size, present) or present) / byte_rate)
        place += 8 + size + size % 2
    raise UnreadableAudio("WAV file without fmt or data chunk")


def _decoded_duration_s(data: bytes) -> float:
    import av  # optional: see tones.py

    try:
        with av.open(io.BytesIO(data), "r") as container:
            total = 0.0
            for frame in container.decode(audio=0):
                total += frame.samples / frame.sample_rate
    except (av.error.FFmpegError, IndexError) as error:
        raise UnreadableAudio(f"cannot be decoded: {error}") from error
    return round(total, 3)  # decoders pad by a fraction of a frame

"""Duration of self-framing streams (mp3, ADTS aac): a Xing or VBRI count where there is one, else a count."""

from __future__ import annotations

from typing import IO

from gateway.audio.frames import Frame, Header, adts_header, mpeg_header

_BLOCK_BYTES = 262_144
_MAX_FRAMES = 60_000  # 26 minutes of 44.1 kHz mp3; the rest of a longer file is assumed to be like its start
_MAX_JUNK_BYTES = 65_536  # between two frames: a damaged file is searched so far for its next one
_CUT_TOLERANCE = 0.98  # of the bytes that a Xing header promises: less, and the file was cut


def mp3_duration_s(file: IO[bytes], size_bytes: int) -> float | None:
    """Return the seconds of an MPEG audio file, tags left out, encoder padding not."""
    at = _after_id3(file, size_bytes)
    file.seek(at)
    start = file.read(4096)
    frame = mpeg_header(start, 0)
    counted = _stated_frames(start, frame, size_bytes - at) if frame else None
    if frame and counted is not None:
        return counted * frame.samples / frame.rate_hz
    return _walk(file, at, size_bytes, mpeg_header)


def aac_duration_s(file: IO[bytes], size_bytes: int) -> float | None:
    """Return the seconds of an ADTS file."""
    return _walk(file, _after_id3(file, size_bytes), size_bytes, adts_header)


def _after_id3(file: IO[bytes], size_bytes: int) -> int:
    """ID3v2 tags stand before the audio; their size is 28 bits in four bytes (id3.org, ID3v2.4 §3.1)."""
    at = 0
    for _ in range(4):
        file.seek(at)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3":
            break
        footer_bytes = 10 if tag[5] & 0x10 else 0
        at += 10 + footer_bytes + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9])
    return min(at, size_bytes)


def _stated_frames(start: bytes, frame: Frame, audio_bytes: int) -> int | None:
    """The frame count of a Xing, Info or VBRI header, unless the file holds clearly fewer bytes than it says."""
    xing = max(start[: frame.size_bytes].find(b"Xing"), start[: frame.size_bytes].find(b"Info"))
    if xing >= 0:
        flags = int.from_bytes(start[xing + 4 : xing + 8], "big")
        if flags & 3 != 3:
            return None
        frames, stream_bytes = (int.from_bytes(start[xing + at : xing + at + 4], "big") for at in (8, 12))
    elif start[36:40] == b"VBRI":
        stream_bytes, frames = (int.from_bytes(start[at : at + 4], "big") for at in (46, 50))
    else:
        return None
    return frames if frames and audio_bytes >= stream_bytes * _CUT_TOLERANCE else None


def _walk(file: IO[bytes], start: int, size_bytes: int, header: Header) -> float | None:
    """Add up the frames from `start`; a frame that the end of the file cuts does not count."""
    file.seek(start)
    block, base, at = file.read(_BLOCK_BYTES), start, 0
    seconds, frames, junk_bytes = 0.0, 0, 0
    while frames < _MAX_FRAMES:
        if at + 8 > len(block):
            base += at
            file.seek(base)
            block, at = file.read(_BLOCK_BYTES), 0
            if len(block) < 8:
                break
        frame = header(block, at)
        if frame is None:
            following = block.find(b"\xff", at + 1)
            step = (following if following > 0 else len(block)) - at
            junk_bytes, at = junk_bytes + step, at + step
            if junk_bytes > _MAX_JUNK_BYTES:
                break
            continue
        if base + at + frame.size_bytes > size_bytes:
            break
        seconds, frames, junk_bytes = seconds + frame.samples / frame.rate_hz, frames + 1, 0
        at += frame.size_bytes
    if frames == 0:
        return None
    if frames < _MAX_FRAMES:
        return seconds
    return seconds * (size_bytes - start) / (base + at - start)

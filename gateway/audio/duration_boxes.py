"""Duration of containers made of nested boxes: MP4 (`mvhd`) and WebM (`Info/Duration`).

Sources: ISO/IEC 14496-12 §8.2.2, §8.8.2; RFC 8794 (EBML), RFC 9559 §5.1.2 (Matroska Segment Information).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

_MAX_BOXES = 2_000  # a file made of more before its header is not one we search
_INFO, _SEGMENT, _CLUSTER = 0x1549A966, 0x18538067, 0x1F43B675
_TIMECODE_SCALE, _DURATION = 0x2AD7B1, 0x4489


def mp4_duration_s(file: IO[bytes], size_bytes: int) -> float | None:
    """Return the seconds that `moov/mvhd` states, or `moov/mvex/mehd` of a fragmented file; None where neither does."""
    for kind, start, end in _boxes(file, 0, size_bytes):
        if kind != b"moov":
            continue
        timescale, ticks = 0, 0
        for inner, inner_start, inner_end in list(_boxes(file, start, end)):
            if inner == b"mvhd":
                timescale, ticks = _mvhd(_read(file, inner_start, 32))
            elif inner == b"mvex" and ticks == 0:
                ticks = _mehd(file, inner_start, inner_end)
        return ticks / timescale if timescale and ticks else None
    return None


def webm_duration_s(file: IO[bytes], size_bytes: int) -> float | None:
    """Return the seconds that the segment states; None where it does not, as in what a browser records live."""
    for kind, start, end in _elements(file, 0, size_bytes):
        if kind != _SEGMENT:
            continue
        for inner, inner_start, inner_end in _elements(file, start, end):
            if inner == _INFO:
                return _info_duration_s(file, inner_start, inner_end)
            if inner == _CLUSTER:
                return None
    return None


def _read(file: IO[bytes], at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _boxes(file: IO[bytes], at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start of content, end) of the boxes between two positions."""
    for _ in range(_MAX_BOXES):
        head = _read(file, at, 16)
        if at + 8 > end or len(head) < 8:
            return
        size, kind, head_bytes = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, head_bytes = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = end - at
        if size < head_bytes:
            return
        yield kind, at + head_bytes, min(at + size, end)
        at += size


def _mvhd(content: bytes) -> tuple[int, int]:
    """Return (ticks a second, ticks); all ones means unknown."""
    if content[0] == 1:
        timescale, ticks = struct.unpack_from(">IQ", content, 20)
        return timescale, 0 if ticks == 0xFFFFFFFFFFFFFFFF else ticks
    timescale, ticks = struct.unpack_from(">II", content, 12)
    return timescale, 0 if ticks == 0xFFFFFFFF else ticks


def _mehd(file: IO[bytes], start: int, end: int) -> int:
    for kind, inner_start, _ in _boxes(file, start, end):
        if kind == b"mehd":
            content = _read(file, inner_start, 12)
            ticks: int = struct.unpack_from(">Q" if content[0] == 1 else ">I", content, 4)[0]
            return ticks
    return 0


def _elements(file: IO[bytes], at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (id, start of content, end) of the EBML elements between two positions."""
    for _ in range(_MAX_BOXES):
        head = _read(file, at, 12)
        if at >= end or not head or head[0] < 0x10:
            return
        id_bytes = 9 - head[0].bit_length()
        first = head[id_bytes] if len(head) > id_bytes else 0
        if first == 0:
            return
        size_bytes = 9 - first.bit_length()
        size = int.from_bytes(head[id_bytes : id_bytes + size_bytes], "big") & (1 << 7 * size_bytes) - 1
        start = at + id_bytes + size_bytes
        stop = end if size == (1 << 7 * size_bytes) - 1 else min(start + size, end)  # all ones: until the end
        yield int.from_bytes(head[:id_bytes], "big"), start, stop
        at = stop


def _info_duration_s(file: IO[bytes], start: int, end: int) -> float | None:
    scale_ns, ticks = 1_000_000, None
    for kind, at, stop in _elements(file, start, end):
        content = _read(file, at, min(stop - at, 8))
        if kind == _TIMECODE_SCALE:
            scale_ns = int.from_bytes(content, "big")
        elif kind == _DURATION and len(content) in (4, 8):
            ticks = struct.unpack(">f" if len(content) == 4 else ">d", content)[0]
    return ticks * scale_ns / 1e9 if ticks else None

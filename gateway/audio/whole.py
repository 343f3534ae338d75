"""Is the whole file here? Told from what its container promises, where it promises anything; nothing is decoded.

Sizes that a stream's writer could not know (0, all ones) promise nothing. Without a promise the answer is "yes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import IO

from gateway.audio import wav
from gateway.audio.frames import mpeg_header

_CUT_S = 0.25  # a WAV this much shorter than its header says was cut; writers' mistakes stay below
_CUT_SHARE = 0.98  # of the bytes that an MP3's Xing header promises
_MAX_PARTS = 50_000  # boxes or pages that are looked at; what has more is believed
_PAGE_HEADER_BYTES = 27


def missing(file: IO[bytes], container: str, size_bytes: int) -> str | None:
    """Return what is missing of a file that breaks off, None where nothing is known to be missing."""
    check = _CHECKS.get(container)
    return check(file, size_bytes) if check is not None else None


def _wav(file: IO[bytes], size_bytes: int) -> str | None:
    file.seek(0)
    try:
        head = wav.parse(file.read(wav.MAX_HEADER_BYTES))
    except wav.NotWav:
        return None  # who reads the header says so
    if head is None:
        return "it ends within its header"
    present = size_bytes - head.data_offset
    if head.data_bytes is None or present >= head.data_bytes - _CUT_S * head.bytes_per_s:
        return None
    return f"its header promises {head.data_bytes} bytes of samples, {max(0, present)} are there"


def _mp3(file: IO[bytes], size_bytes: int) -> str | None:
    file.seek(0)
    tag = file.read(10)
    at = 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) if tag[:3] == b"ID3" and len(tag) == 10 else 0
    file.seek(at)
    start = file.read(2048)
    frame = mpeg_header(start, 0)
    if frame is None:
        return None
    xing = max(start[: frame.size_bytes].find(b"Xing"), start[: frame.size_bytes].find(b"Info"))
    if xing < 0 or int.from_bytes(start[xing + 4 : xing + 8], "big") & 3 != 3:
        return None
    promised = int.from_bytes(start[xing + 12 : xing + 16], "big")
    if size_bytes - at >= promised * _CUT_SHARE:
        return None
    return f"its header promises {promised} bytes, {size_bytes - at} are there"


def _mp4(file: IO[bytes], size_bytes: int) -> str | None:
    kinds = set()
    for kind, end in _boxes(file, size_bytes):
        kinds.add(kind)
        if end > size_bytes:
            return f"its box {kind.decode('latin-1')!r} needs {end - size_bytes} bytes more than are there"
    return None if kinds & {b"moov"} else "its index (moov) is missing"


def _boxes(file: IO[bytes], size_bytes: int) -> Iterator[tuple[bytes, int]]:
    at = 0
    for _ in range(_MAX_PARTS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:16], "big")
        elif size == 0:
            size = size_bytes - at
        if size < 8:
            return
        yield kind, at + size
        at += size
    yield b"moov", 0  # too many to look at: believed


def _ogg(file: IO[bytes], size_bytes: int) -> str | None:
    at = 0
    for _ in range(_MAX_PARTS):
        file.seek(at)
        page = file.read(_PAGE_HEADER_BYTES + 255)
        if len(page) == 0 or page[:4] != b"OggS"[: len(page)]:
            return None
        if len(page) < _PAGE_HEADER_BYTES:
            return "its last page ends within its header"
        segments = page[26]
        at += _PAGE_HEADER_BYTES + segments + sum(page[_PAGE_HEADER_BYTES : _PAGE_HEADER_BYTES + segments])
        if at > size_bytes:
            return f"its last page needs {at - size_bytes} bytes more than are there"
    return None


_CHECKS: Mapping[str, Callable[[IO[bytes], int], str | None]] = {"wav": _wav, "mp3": _mp3, "mp4": _mp4, "ogg": _ogg}

"""Duration of Ogg files: the granule position of the last page of each logical stream, over its clock.

Sources: RFC 3533 §6 (pages), RFC 7845 §4 (Opus: 48 kHz, pre-skip), Vorbis I specification §4.2.2, Ogg FLAC mapping 1.0.
"""

from __future__ import annotations

from typing import IO

_PAGE_HEADER_BYTES = 27
_MAX_PAGES = 50_000  # about 200 MB of usual pages
_NO_GRANULE = 0xFFFFFFFFFFFFFFFF  # no packet ends on this page


def ogg_duration_s(file: IO[bytes], size_bytes: int) -> float | None:
    """Return the seconds of Opus, Vorbis or FLAC in Ogg; chained streams add up. None where no page has a position."""
    clocks: dict[int, tuple[int, int]] = {}  # serial number -> (Hz, samples to skip)
    ends: dict[int, int] = {}  # serial number -> last granule position
    at, chained_s = 0, 0.0
    for _ in range(_MAX_PAGES):
        file.seek(at)
        page = file.read(_PAGE_HEADER_BYTES + 255)
        if len(page) < _PAGE_HEADER_BYTES or page[:4] != b"OggS":
            break
        segments = page[26]
        body_at = at + _PAGE_HEADER_BYTES + segments
        next_at = body_at + sum(page[_PAGE_HEADER_BYTES : _PAGE_HEADER_BYTES + segments])
        if next_at > size_bytes:
            break  # cut within this page: what it promises is not there
        serial = int.from_bytes(page[14:18], "little")
        granule = int.from_bytes(page[6:14], "little")
        if page[5] & 2:  # the first page of a stream
            if serial in ends:  # a chained stream may bear the number of the one before
                chained_s += _seconds(ends.pop(serial), clocks[serial])
            file.seek(body_at)
            clock = _clock(file.read(64))
            if clock is not None:
                clocks[serial] = clock
        elif serial in clocks and granule not in (0, _NO_GRANULE):  # 0: still the headers
            ends[serial] = granule
        at = next_at
    if not ends and not chained_s:
        return None
    return chained_s + sum(_seconds(granule, clocks[serial]) for serial, granule in ends.items())


def _seconds(granule: int, clock: tuple[int, int]) -> float:
    rate_hz, skipped = clock
    return max(0, granule - skipped) / rate_hz


def _clock(packet: bytes) -> tuple[int, int] | None:
    """Return (granules a second, granules before the sound) of an audio stream's first packet."""
    if packet.startswith(b"OpusHead"):
        return 48_000, int.from_bytes(packet[10:12], "little")
    if packet.startswith(b"\x01vorbis"):
        rate_hz = int.from_bytes(packet[12:16], "little")
    elif packet.startswith(b"\x7fFLAC"):
        rate_hz = int.from_bytes(packet[27:30], "big") >> 4
    elif packet.startswith(b"Speex   "):
        rate_hz = int.from_bytes(packet[36:40], "little")
    else:
        return None
    return (rate_hz, 0) if rate_hz else None

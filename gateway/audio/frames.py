"""Headers of self-framing audio streams: MPEG audio (mp3) and ADTS (aac).

Sources: ISO/IEC 11172-3 §2.4.1.3, ISO/IEC 13818-3 §2.4.1.3, ISO/IEC 14496-3 §1.A.2.2.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_MPEG1_KBIT = {
    1: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_MPEG2_KBIT = {
    1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_ADTS_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its whole size with header, how many samples of a channel it holds, at what rate."""

    size_bytes: int
    samples: int
    rate_hz: int
    channels: int


Header = Callable[[bytes, int], Frame | None]


def mpeg_header(data: bytes, at: int) -> Frame | None:
    """Return the MPEG audio frame that starts at `at`, or None where none does. Free-format streams are not known."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    bitrate_index, rate_index = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate_index in (0, 15) or rate_index == 3:
        return None
    kbit = (_MPEG1_KBIT if version == 3 else _MPEG2_KBIT)[layer][bitrate_index]
    rate_hz = _MPEG_RATES_HZ[version][rate_index]
    padding = data[at + 2] >> 1 & 1
    channels = 1 if data[at + 3] >> 6 == 3 else 2
    if layer == 1:
        return Frame((12_000 * kbit // rate_hz + padding) * 4, 384, rate_hz, channels)
    samples = 576 if layer == 3 and version != 3 else 1152
    return Frame(samples * 125 * kbit // rate_hz + padding, samples, rate_hz, channels)


def adts_header(data: bytes, at: int) -> Frame | None:
    """Return the ADTS frame that starts at `at`, or None where none does."""
    if len(data) < at + 7 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    rate_index = data[at + 2] >> 2 & 15
    size_bytes = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate_index >= len(_ADTS_RATES_HZ) or size_bytes < 7:
        return None
    channels = (data[at + 2] & 1) << 2 | data[at + 3] >> 6
    return Frame(size_bytes, 1024 * ((data[at + 6] & 3) + 1), _ADTS_RATES_HZ[rate_index], channels or 2)

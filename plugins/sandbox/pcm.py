"""Tones as samples (s16le mono), with a text in their lowest bits."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from .envelope import bits
from .mp3 import FRAME_S

_AMPLITUDE = 4000  # of 32767: soft


def frame_samples(rate_hz: int) -> int:
    """Return how many samples a frame has."""
    return round(rate_hz * FRAME_S)


def render(frames: bytes, cycles: int, carried: bytes, rate_hz: int) -> Iterator[bytes]:
    """Yield the samples of each frame of a plan: a tone that swells at a word's start and fades at its end.

    `carried` is in the lowest bits from the first sample on.
    """
    samples = frame_samples(rate_hz)
    tone = [_AMPLITUDE * math.sin(2 * math.pi * cycles * at / samples) for at in range(samples)]
    swell = [(1 - math.cos(math.pi * at / samples)) / 2 for at in range(samples)]
    shapes = {
        (False, False): [1.0] * samples,
        (True, False): swell,
        (False, True): swell[::-1],
        (True, True): [2 * min(up, down) for up, down in zip(swell, swell[::-1], strict=True)],
    }
    silence = bytes(2 * samples)
    sounds = {ends: _s16le(tone, shape) for ends, shape in shapes.items()}
    hidden = bits(carried)
    for at, is_tone in enumerate(frames):
        ends = (at == 0 or not frames[at - 1], at + 1 == len(frames) or not frames[at + 1])
        yield _hide(sounds[ends] if is_tone else silence, hidden[at * samples : (at + 1) * samples])


def _s16le(tone: list[float], shape: list[float]) -> bytes:
    return struct.pack(f"<{len(tone)}h", *(round(value * part) for value, part in zip(tone, shape, strict=True)))


def _hide(samples: bytes, ones_and_zeros: bytes) -> bytes:
    """Return the samples with their first lowest bits replaced; `1` is an odd character and `0` an even one."""
    if not ones_and_zeros:
        return samples
    changed = bytearray(samples)
    low = changed[: 2 * len(ones_and_zeros) : 2]
    changed[: 2 * len(ones_and_zeros) : 2] = bytes(
        byte & 0xFE | bit & 1 for byte, bit in zip(low, ones_and_zeros, strict=True)
    )
    return bytes(changed)

"""G.711: 16 bit samples as 8 bit ones by the µ-law or the A-law, and back. Telephony asks for nothing else.

Source: ITU-T G.711 (1988), rounded as Sun's g711.c does, from which most others come. The µ-law tells 14 bit apart and
the A-law 13, so a table of that many entries is exact.
"""

from __future__ import annotations

import sys
from array import array
from functools import cache
from typing import Literal

Law = Literal["mulaw", "alaw"]

_BIAS, _CLIP = 33, 8_158  # of the µ-law, in 14 bit


class Compander:
    """Makes 8 bit samples of s16le in pieces; half a sample waits for the next piece."""

    def __init__(self, law: Law) -> None:
        self._shift = 2 if law == "mulaw" else 3
        self._table = _encoded(law)
        self._held = b""

    def feed(self, samples: bytes) -> bytes:
        data = self._held + samples
        whole = len(data) // 2 * 2
        self._held = data[whole:]
        values = array("h", data[:whole])
        if sys.byteorder == "big":
            values.byteswap()
        table, shift, middle = self._table, self._shift, len(self._table) // 2
        return bytes([table[(value >> shift) + middle] for value in values])


def expand(samples: bytes, law: Law) -> bytes:
    """Return s16le of 8 bit samples."""
    values = array("h", map(_decoded(law).__getitem__, samples))
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


@cache
def _encoded(law: Law) -> bytes:
    """Return the code of each value, the least first: of 14 bit by the µ-law, of 13 by the A-law."""
    return bytes(map(_mulaw, range(-8_192, 8_192)) if law == "mulaw" else map(_alaw, range(-4_096, 4_096)))


@cache
def _decoded(law: Law) -> tuple[int, ...]:
    return tuple(map(_from_mulaw if law == "mulaw" else _from_alaw, range(256)))


def _mulaw(value: int) -> int:
    magnitude = min(abs(value), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 6
    code = exponent << 4 | magnitude >> (exponent + 1) & 0x0F
    return ~code & (0xFF if value >= 0 else 0x7F)


def _from_mulaw(code: int) -> int:
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 1 | _BIAS) << (inverted >> 4 & 7)) - _BIAS
    return (-magnitude if inverted & 0x80 else magnitude) << 2


def _alaw(value: int) -> int:
    magnitude = value if value >= 0 else ~value
    exponent = max(0, magnitude.bit_length() - 5)
    code = exponent << 4 | magnitude >> max(1, exponent) & 0x0F
    return (code | (0x80 if value >= 0 else 0)) ^ 0x55


def _from_alaw(code: int) -> int:
    plain = code ^ 0x55
    exponent, mantissa = plain >> 4 & 7, (plain & 0x0F) << 1 | 1
    magnitude = (mantissa | 0x20) << exponent - 1 if exponent else mantissa
    return (magnitude if plain & 0x80 else -magnitude) << 3

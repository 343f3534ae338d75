"""Change the sample rate of mono s16 audio with the standard library, for where PyAV is not installed.

Linear interpolation upwards, averages downwards: right in length, pitch and level, and a little dull near the top of
the band. It makes about two million samples a second of CPU, which is a minute and more of speech.
"""

from __future__ import annotations

import sys
from array import array


class Resampler:
    """Takes s16le mono in pieces of any size and returns it at another rate. Samples are placed exactly: no drift."""

    def __init__(self, source_hz: int, target_hz: int) -> None:
        self._source_hz = source_hz
        self._target_hz = target_hz
        self._held = array("h")  # samples that later output still needs
        self._held_from = 0  # the number of the first of them in the stream
        self._made = 0
        self._half = b""

    def feed(self, pcm: bytes) -> bytes:
        """Return what can be said so far."""
        pcm = self._half + pcm
        whole = len(pcm) // 2 * 2
        self._half = pcm[whole:]
        self._held += _samples(pcm[:whole])
        return self._out(is_last=False)

    def flush(self) -> bytes:
        """Return the rest; the whole then has ceil(samples × target / source) samples."""
        return self._out(is_last=True)

    def _out(self, *, is_last: bool) -> bytes:
        source_hz, target_hz, held = self._source_hz, self._target_hz, self._held
        if source_hz == target_hz:
            self._held = array("h")
            return _bytes(held)
        end = self._held_from + len(held)
        made = array("h")
        while True:
            at, rest = divmod(self._made * source_hz, target_hz)
            upto = max(at + 2, (self._made + 1) * source_hz // target_hz)
            if at >= end or (upto > end and not is_last):
                break
            first = at - self._held_from
            if source_hz > target_hz:
                window = held[first : max(first + 1, upto - self._held_from)]
                made.append(sum(window) // len(window))
            else:
                following = held[first + 1] if at + 1 < end else held[first]
                made.append(held[first] + (following - held[first]) * rest // target_hz)
            self._made += 1
        used = min(self._made * source_hz // target_hz, end) - self._held_from
        self._held, self._held_from = held[used:], self._held_from + used
        return _bytes(made)


def _samples(pcm: bytes) -> array[int]:
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _bytes(samples: array[int]) -> bytes:
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()

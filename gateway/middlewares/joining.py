"""Samples of several parts as one stream: no gap and no click between them, and encoded once, where that is wanted.

A part ends and begins at whatever level its vendor left it. A few milliseconds on both sides of a join are faded, which
is no click and too short to be a gap. Nothing is left out or put in: the whole lasts as long as its parts.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import AsyncIterator

from gateway.audio import wav
from gateway.types import AudioFormat

FADE_S = 0.004


class Joiner:
    """Takes s16le mono, part by part, in pieces of any size; a part's end is held until what follows is known."""

    def __init__(self, rate_hz: int) -> None:
        self._held = b""
        self._fade_bytes = 2 * round(rate_hz * FADE_S)
        self._begins = False  # a part other than the first

    def feed(self, pcm: bytes) -> bytes:
        """Return what is ready of the part that goes on."""
        self._held += pcm
        if self._begins:
            if len(self._held) < self._fade_bytes:
                return b""
            self._begins = False
            self._held = _faded(self._held[: self._fade_bytes], is_in=True) + self._held[self._fade_bytes :]
        ready = max(0, len(self._held) - self._fade_bytes) // 2 * 2
        out, self._held = self._held[:ready], self._held[ready:]
        return out

    def join(self) -> bytes:
        """Return the end of a part that another follows."""
        out, self._held = self._end(), b""
        self._begins = True
        return _faded(out, is_in=False)

    def flush(self) -> bytes:
        """Return the end of the last part."""
        out, self._held = self._end(), b""
        return out

    def _end(self) -> bytes:
        """A part shorter than a fade is faded as far as it goes."""
        held = self._held
        return _faded(held, is_in=True) if self._begins else held


async def with_header(chunks: AsyncIterator[bytes], form: AudioFormat) -> AsyncIterator[bytes]:
    """Yield samples as a WAV whose length nobody knows yet. The header goes with the first sound."""
    assert form.sample_rate_hz is not None
    header = wav.header(form.sample_rate_hz)
    async for chunk in chunks:
        yield header + chunk
        header = b""


def _faded(pcm: bytes, *, is_in: bool) -> bytes:
    samples = array("h", pcm[: len(pcm) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    count = len(samples)
    for at in range(count):
        share = at if is_in else count - 1 - at
        samples[at] = samples[at] * share // count
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()

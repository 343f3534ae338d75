"""Hears the sandbox's own voice while it comes in: its samples carry their text, all of it at the beginning.

What of a text is told follows the audio. Other audio is silence.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.types import Heard, Word

from .envelope import HEAD_BYTES, MAGIC, bits, size_bytes, unpack_all_bits
from .mp3 import FRAME_S
from .speaking import plan
from .timing import timed

INTERIM_S = 0.5  # between two results that may change
MAX_TEXT_BYTES = 1_048_576  # what claims to be longer is no text
_MAGIC_BITS = bits(MAGIC)
_HEAD_BITS = 8 * HEAD_BYTES
_LOWEST_BIT = b"01" * 128


class Ear:
    """Hears the sandbox's voice in samples as they come."""

    def __init__(self, rate_hz: int, *, is_interim: bool) -> None:
        self._rate_hz = rate_hz
        self._is_interim = is_interim
        self._half = b""
        self._bits = bytearray()  # from the sample `_from` on
        self._from = 0
        self._samples = 0
        self._told_s = 0.0  # up to here everything is final
        self._speech: tuple[str, float, float] | None = None  # text, from, to
        self._next_interim_s = INTERIM_S

    @property
    def seconds(self) -> float:
        return self._samples / self._rate_hz

    def hear(self, pcm: bytes) -> list[Heard]:
        """Take samples in. Returns what is known by now and was not told before."""
        pcm = self._half + pcm
        self._half = pcm[len(pcm) // 2 * 2 :]
        low = pcm[: len(pcm) // 2 * 2 : 2]
        self._bits += low.translate(_LOWEST_BIT)
        self._samples += len(low)
        return list(self._results())

    def flush(self, *, is_asked: bool) -> list[Heard]:
        """Return what is left, as final."""
        results = list(self._results())
        if self._speech is not None:
            results.append(self._final(min(self._speech[2], self.seconds), is_asked=is_asked))
        elif is_asked or self.seconds > self._told_s:
            results.append(self._silence(is_asked=is_asked))
        return results

    def _results(self) -> Iterator[Heard]:
        while True:
            if self._speech is None:
                self._speech = self._found()
            if self._speech is None:
                break
            if self.seconds < self._speech[2]:
                if self._is_interim and self.seconds >= self._next_interim_s:
                    self._next_interim_s = self.seconds + INTERIM_S
                    yield self._part(self.seconds, is_final=False)
                return
            yield self._final(self._speech[2], is_asked=False)
        if self._is_interim and self.seconds >= self._next_interim_s:
            self._next_interim_s = self.seconds + INTERIM_S
            yield Heard("", self._told_s, self.seconds - self._told_s, is_final=False)

    def _found(self) -> tuple[str, float, float] | None:
        """Return the next text in what came in, and when it is spoken; forget what holds none."""
        at = self._bits.find(_MAGIC_BITS)
        if at < 0:
            self._forget(len(self._bits) - len(_MAGIC_BITS) + 1)
            return None
        self._forget(at)
        texts = unpack_all_bits(bytes(self._bits))
        if not texts:
            if len(self._bits) >= _HEAD_BITS and not self._may_come():
                self._forget(1)  # it only looked like one
                return self._found()
            return None
        text, start_s = texts[0], self._from / self._rate_hz
        self._forget(_HEAD_BITS + 8 * len(text.encode()))
        return text, start_s, start_s + len(plan(text, 1.0)) * FRAME_S

    def _may_come(self) -> bool:
        """Whether the rest of a text may be on its way."""
        claimed = size_bytes(bytes(self._bits[:_HEAD_BITS]))
        return len(self._bits) < _HEAD_BITS + 8 * claimed and claimed <= MAX_TEXT_BYTES

    def _forget(self, count: int) -> None:
        if count > 0:
            del self._bits[:count]
            self._from += count

    def _part(self, until_s: float, *, is_final: bool, is_asked: bool = False) -> Heard:
        assert self._speech is not None
        text, start_s, end_s = self._speech
        words = [
            Word(word.text, round(start_s + word.start_s, 3), round(start_s + word.end_s, 3))
            for word in timed(text, end_s - start_s).words
        ]
        known = tuple(word for word in words if self._told_s + 0.001 < word.end_s <= until_s + 0.001)
        return Heard(
            " ".join(word.text for word in known),
            self._told_s,
            until_s - self._told_s,
            known,
            is_final=is_final,
            is_speech_end=is_final and not is_asked,
            is_flushed=is_asked,
        )

    def _final(self, until_s: float, *, is_asked: bool) -> Heard:
        assert self._speech is not None
        result = self._part(until_s, is_final=True, is_asked=is_asked)
        self._told_s = until_s
        if until_s >= self._speech[2]:
            self._speech = None  # else the rest of it is told later
        return result

    def _silence(self, *, is_asked: bool) -> Heard:
        start_s, self._told_s = self._told_s, self.seconds
        return Heard("", start_s, self._told_s - start_s, is_final=True, is_flushed=is_asked)

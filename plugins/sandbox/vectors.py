"""Embeddings from a hashed bag of words: the same text always gives the same vector, similar texts give close ones."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from struct import unpack

_WORD = re.compile(r"\w+")
_STEM_CHARS = 4  # "translate" and "translation" share their start


def vector(source: str | Sequence[int], dimensions: int) -> list[float]:
    """Return a vector of length 1 for a text or a list of token ids; nothing at all has a vector of its own."""
    values = [0.0] * dimensions
    for feature, times in Counter(_features(source)).items():
        for number in unpack("<4I", blake2b(feature.encode(), digest_size=16).digest()):
            values[(number >> 1) % dimensions] += times if number & 1 else -times
    norm = math.sqrt(sum(value * value for value in values))
    if norm == 0.0:  # the features cancelled each other out, which few dimensions make possible
        return [1.0] + [0.0] * (dimensions - 1)
    return [value / norm for value in values]


def _features(source: str | Sequence[int]) -> Iterator[str]:
    if not isinstance(source, str):
        yield from (f"#{token}" for token in source)
        return
    words = _WORD.findall(source.casefold())
    yield from words or [source]
    for word in words:
        if not word.isascii():
            yield from word  # scripts without spaces: a "word" is a sentence there
        elif len(word) > _STEM_CHARS:
            yield word[:_STEM_CHARS] + "…"

"""Where a long text may be cut: at the ends of its sentences, whatever it is written in; in parts that somebody takes.

Sentences are found by `sentencex`, which knows the abbreviations of some 300 languages and the marks of their scripts.
What has no marks (Thai), and a sentence that nobody takes whole, is cut after a clause, else between words, else
between characters as readers see them. No character is lost or added: the parts joined are the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence

MAX_PART_CHARS = 4_000  # four minutes of speech: more at once only makes who waits wait longer
FIRST_CHARS = 200  # the part after the first sentence is at least so long: fewer requests
GROWTH = 4  # a part is at most so many times as long as the one before: while that plays, it is made

Fits = Callable[[str], bool]

_CLAUSE = re.compile(r"[,;:،؛、，；：…—–)\]」』】»]\s*")
_SPACE = re.compile(r"\s+")
_MAY_END = re.compile(r"[.!?…。！？｡؟۔।॥։።\n]")  # here a sentence may end
_JOINER = "\u200d"


class Unspeakable(ValueError):
    """Not even one character is taken, or a part that must not be cut is too long; the text says which."""


def sentences(text: str, language: str | None = None) -> list[str]:
    """Return the sentences with the space behind them. What cannot be spoken (`***`, empty lines) goes with another."""
    from sentencex import get_sentence_boundaries

    found = get_sentence_boundaries((language or "en").replace("_", "-").partition("-")[0].lower(), text)
    starts = sorted({0, *(each["start_index"] for each in found)})
    pieces = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    return together(pieces, _is_speakable)


def together(pieces: Sequence[str], is_speakable: Fits) -> list[str]:
    """Return the pieces, those that cannot be spoken alone as a part of the one before, else of the next."""
    joined: list[str] = []
    for piece in pieces:
        if joined and not (is_speakable(joined[-1]) and is_speakable(piece)):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def packed(units: Sequence[str], fits: Fits, shorten: Callable[[str], list[str]], growth: int = GROWTH) -> list[str]:
    """Return parts of whole units: one unit first, so that it is heard soon, then as many as fit and `growth` allows.

    A part is at most `growth` times as long as the one before; 0: each is one unit.

    `shorten` cuts a unit that does not fit into some that do, or raises Unspeakable. `fits` is of a text as it is to be
    sent; what it says of a text holds for every shorter beginning of it.
    """
    waiting = list(units)
    parts: list[str] = []
    at = 0
    while at < len(waiting):
        most = max(FIRST_CHARS, min(MAX_PART_CHARS, growth * len(parts[-1]))) if parts and growth else 1
        ends = [0]
        while at + len(ends) - 1 < len(waiting) and (len(ends) == 1 or ends[-1] < most):
            ends.append(ends[-1] + len(waiting[at + len(ends) - 1]))
        count = max(1, bisect_right(ends, most) - 1)
        fitting = bisect_right(range(1, count + 1), False, key=lambda n: not fits("".join(waiting[at : at + n])))
        if not fitting:
            waiting[at : at + 1] = shorten(waiting[at])
            continue
        parts.append("".join(waiting[at : at + fitting]))
        at += fitting
    return parts


def shortened(text: str, fits: Fits) -> list[str]:
    """Return a sentence in pieces that fit. Raises Unspeakable where not even one character does."""
    pieces: list[str] = []
    while text:
        most = bisect_right(range(1, len(text) + 1), False, key=lambda n: not fits(text[:n]))
        if not most:
            raise Unspeakable("not even one character of it is taken")
        end = most if most == len(text) else cut_at(text, most)
        pieces.append(text[:end])
        text = text[end:]
    return pieces


def cut_at(text: str, most: int) -> int:
    """Return the best place for a cut, above 0 and at most `most`: after a clause, a word, or a whole character."""
    for pattern in (_CLAUSE, _SPACE):
        found = [match.end() for match in pattern.finditer(text, most // 4, most) if match.end() <= most]
        if found:
            return found[-1]
    at = most
    while at > 1 and _belongs_together(text, at):
        at -= 1
    return at if not _belongs_together(text, at) else most


def parts_of(text: str, fits: Fits, language: str | None = None, growth: int = GROWTH) -> list[str]:
    """Return the parts in which a plain text is spoken. Raises Unspeakable."""
    return packed(sentences(text, language), fits, lambda sentence: shortened(sentence, fits), growth)


def _is_speakable(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _belongs_together(text: str, at: int) -> bool:
    """Whether a cut before `at` would part what readers see as one character."""
    before, after = text[at - 1], text[at]
    return (
        unicodedata.category(after)[0] == "M"  # accents, vowel signs, variation selectors
        or _JOINER in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or (_is_half_flag(after) and _half_flags(text, at) % 2 == 1)
        or "\u0e40" <= before <= "\u0e44"  # Thai vowels that are written before their consonant
        or "\u0ec0" <= before <= "\u0ec4"  # and Lao
        or (before == "\r" and after == "\n")
    )


def _half_flags(text: str, at: int) -> int:
    """Return how many letters of flags, of which two make one, stand right before `at`."""
    start = at
    while start and _is_half_flag(text[start - 1]):
        start -= 1
    return at - start


def _is_half_flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


class SentenceStream:
    """Takes a text while it is being written, and gives what can be spoken of it: whole sentences.

    The first comes alone, so that it is heard soon. Of those that follow as much is put together as was given before:
    models write faster than anybody speaks, so that it is there before it is needed, and the requests are few.
    """

    def __init__(self, language: str | None = None) -> None:
        self._language = language
        self._rest = ""  # of which the end is not known yet
        self._whole = ""
        self._given = 0

    def feed(self, piece: str) -> list[str]:
        """Return what is ready now."""
        self._rest += piece
        if _MAY_END.search(piece) or len(self._rest) > MAX_PART_CHARS:
            *whole, last = sentences(self._rest, self._language) or [""]
            if len(last) > MAX_PART_CHARS:  # it may have no end
                at = cut_at(last, MAX_PART_CHARS)
                whole, last = [*whole, last[:at]], last[at:]
            self._rest = last
            return [part for sentence in whole for part in self._with(sentence)]
        return []

    def flush(self) -> list[str]:
        """Return what is left."""
        self._whole, self._rest = self._whole + self._rest, ""
        return self._taken() if _is_speakable(self._whole) else []

    def _with(self, sentence: str) -> list[str]:
        self._whole += sentence
        is_enough = len(self._whole) >= min(MAX_PART_CHARS, max(1, self._given))
        return self._taken() if is_enough and _is_speakable(self._whole) else []

    def _taken(self) -> list[str]:
        text, self._whole = self._whole, ""
        self._given += len(text)
        return [text]

"""Where a long recording is cut, and how what was written down of its pieces is put together again.

A cut is made where it is quiet. Where nobody pauses, both pieces hold the seconds around the cut, and each word is
taken from the piece in whose own time its middle lies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gateway.audio.records import Place
from gateway.types import Segment, Transcript, Word

OVERLAP_S = (
    2.0  # on each side of a cut that no pause allows: longer than a word, and than a recogniser's doubt at an edge
)
PAUSE_SHARE = 0.1  # of the usual level: what is below is a pause, whatever the noise
PAUSE_LEVEL = 100  # of 32,767: below that nobody speaks
EARLIEST = 0.6  # of a piece: it is cut after that, at the best place
SAME_WORDS = 12  # that are looked for twice, where words have no times

_SPACELESS = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Burmese
    ("\u1780", "\u17ff"),  # Khmer
    ("\u3000", "\u30ff"),  # CJK marks, kana
    ("\u3400", "\u9fff"),  # CJK characters
    ("\uff00", "\uffef"),  # and their wide marks
)


@dataclass(frozen=True, slots=True)
class Piece:
    """From where to where it sounds, and which time of the recording is its own."""

    start_s: float
    end_s: float
    own_from_s: float
    own_to_s: float

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


def cut_up(start_s: float, end_s: float, quiet: Sequence[Place], most_s: float) -> list[Piece]:
    """Return the pieces of a stretch, none longer than `most_s`, which is more than 4 overlaps."""
    pause = _pause_level(quiet)
    cuts: list[tuple[float, float]] = []  # where, and how much both pieces share on each side
    at_s = start_s
    room_s = most_s
    while end_s - at_s > room_s:
        cuts.append(_best(at_s + room_s * EARLIEST, at_s + room_s, quiet, pause))
        at_s, shared_s = cuts[-1]
        room_s = most_s - shared_s
    edges = [(start_s, 0.0), *cuts, (end_s, 0.0)]
    return [
        Piece(before_s - shared_s, after_s + further_s, before_s, after_s)
        for (before_s, shared_s), (after_s, further_s) in pairwise(edges)
    ]


def joined(pieces: Sequence[tuple[Piece, Transcript]], duration_s: float) -> Transcript:
    """Return the transcript of the whole, its times those of the recording."""
    words: list[Word] = []
    segments: list[Segment] = []
    text = ""
    languages = [found.language for _, found in pieces if found.language]
    for number, (piece, found) in enumerate(pieces):
        mine = own(piece, found, number)
        text = with_text(text, mine.text, is_shared=number > 0 and piece.start_s < piece.own_from_s and not found.words)
        words += mine.words
        segments += mine.segments
    return Transcript(text, languages[0] if languages else None, duration_s, tuple(segments), tuple(words))


def own(piece: Piece, found: Transcript, number: int) -> Transcript:
    """Return what was written down of a piece, in the recording's time, without what is another piece's."""
    words = tuple(
        replace(
            word, start_s=word.start_s + piece.start_s, end_s=word.end_s + piece.start_s, speaker=_named(word, number)
        )
        for word in found.words
    )
    segments = tuple(
        replace(
            segment,
            start_s=segment.start_s + piece.start_s,
            end_s=segment.end_s + piece.start_s,
            speaker=_named(segment, number),
        )
        for segment in found.segments
    )
    if piece.start_s == piece.own_from_s and piece.end_s == piece.own_to_s:
        return replace(found, words=words, segments=segments)
    if not words:
        return replace(found, segments=tuple(each for each in segments if _is_own(piece, each)))
    kept = tuple(word for word in words if _is_own(piece, word))
    # Of a segment that is another piece's in part the words say what is left: it is made of them again.
    text = " ".join(word.text.strip() for word in kept) if len(kept) < len(words) else found.text
    whole = all(piece.own_from_s <= each.start_s and each.end_s <= piece.own_to_s for each in segments)
    return replace(found, text=text, words=kept, segments=segments if whole else _regrouped(segments, kept))


def with_text(before: str, after: str, *, is_shared: bool = False) -> str:
    """Return two texts as one. `is_shared`: the second begins with words that the first ends with."""
    before, after = before.rstrip(), after.strip()
    if is_shared:
        after = _without_beginning(before, after)
    if not before or not after:
        return before or after
    return before + ("" if _has_no_spaces(before[-1]) and _has_no_spaces(after[0]) else " ") + after


def _best(from_s: float, to_s: float, quiet: Sequence[Place], pause: int) -> tuple[float, float]:
    """Return the best place for a cut and what is to be shared there: the last pause, else the quietest place."""
    first = bisect_left(quiet, (from_s, 0))
    found = quiet[first : bisect_right(quiet, (to_s, 0))]
    pauses = [at_s for at_s, level in found if level <= pause]
    if pauses:
        return pauses[-1], 0.0
    found = [place for place in found if place[0] <= to_s - OVERLAP_S]
    at_s = min(found, key=lambda place: (place[1], -place[0]))[0] if found else to_s - OVERLAP_S
    return at_s, OVERLAP_S


def _pause_level(quiet: Sequence[Place]) -> int:
    levels = sorted(level for _, level in quiet)
    usual = levels[len(levels) * 9 // 10] if levels else 0
    return max(PAUSE_LEVEL, round(usual * PAUSE_SHARE))


def _is_own(piece: Piece, part: Word | Segment) -> bool:
    middle_s = (part.start_s + part.end_s) / 2
    return piece.own_from_s <= middle_s < piece.own_to_s


def _named(part: Word | Segment, number: int) -> str | None:
    """Each piece's speakers are numbered by themselves: nobody says that the first of one is the first of the next."""
    return part.speaker if part.speaker is None or number == 0 else f"{number + 1}-{part.speaker}"


def _regrouped(segments: Sequence[Segment], words: Sequence[Word]) -> tuple[Segment, ...]:
    """Return the segments with those of the words that lie within each, without the ones that have none left."""
    made = []
    for segment in segments:
        inside = [word for word in words if segment.start_s <= (word.start_s + word.end_s) / 2 < segment.end_s]
        if inside:
            text = " ".join(word.text.strip() for word in inside)
            made.append(replace(segment, text=text, start_s=inside[0].start_s, end_s=inside[-1].end_s))
    return tuple(made)


def _without_beginning(before: str, after: str) -> str:
    """Return the second text without the longest run of words that also ends the first."""
    ending, beginning = [_plain(word) for word in before.split()], after.split()
    for count in range(min(SAME_WORDS, len(ending), len(beginning)), 0, -1):
        if ending[-count:] == [_plain(word) for word in beginning[:count]]:
            return " ".join(beginning[count:])
    return after


def _plain(word: str) -> str:
    return "".join(char for char in word.casefold() if char.isalnum())


def _has_no_spaces(char: str) -> bool:
    """Whether the script is written without spaces between words."""
    return any(low <= char <= high for low, high in _SPACELESS)

"""When each word of a spoken text is heard: the sandbox speaks every character for the same time."""

from __future__ import annotations

import re

from gateway.types import Segment, Transcript, Word

_WORD = re.compile(r"\S+")
_SENTENCE = re.compile(r"\S.*?(?:[.!?…。！？]+(?=\s|$)|(?=\n)|$)", re.DOTALL)


def timed(text: str, duration_s: float) -> Transcript:
    """Return the transcript of `text` with its words and sentences spread evenly over the duration."""
    second_per_char = duration_s / max(len(text), 1)

    def place(match: re.Match[str]) -> tuple[str, float, float]:
        return match.group(), round(match.start() * second_per_char, 3), round(match.end() * second_per_char, 3)

    return Transcript(
        text=text,
        duration_s=duration_s,
        segments=tuple(Segment(*place(match)) for match in _SENTENCE.finditer(text)),
        words=tuple(Word(*place(match)) for match in _WORD.finditer(text)),
    )

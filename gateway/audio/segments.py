"""Segments for a transcript whose vendor gave none: cut from its words where a reader would expect a new subtitle."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.types import Segment, Transcript, Word

MAX_CHARS = 84  # two lines of 42, the usual limit of subtitle guides
MAX_DURATION_S = 7.0  # as long as a subtitle should stand
PAUSE_S = 0.8  # silence that separates two utterances
READING_CHARS_PER_S = 15.0  # how long a cue stands where nothing says how long the sound lasted

_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "।", "؟")


def segments_of(transcript: Transcript, *, by_speaker: bool = False) -> tuple[Segment, ...]:
    """Return the vendor's segments, else some made from its words, else one for the whole text; in order of time.

    With `by_speaker`, segments without speakers give way to words with speakers.
    """
    segments, words = transcript.segments, transcript.words
    if by_speaker and any(word.speaker for word in words) and not any(segment.speaker for segment in segments):
        return from_words(words)
    if segments:
        return tuple(sorted(segments, key=lambda segment: segment.start_s))
    if words:
        return from_words(words)
    if not transcript.text.strip():
        return ()
    end_s = transcript.duration_s or len(transcript.text) / READING_CHARS_PER_S
    return (Segment(transcript.text.strip(), 0.0, end_s),)


def from_words(words: Sequence[Word]) -> tuple[Segment, ...]:
    """Return segments that end with a sentence, at a pause, at a new speaker, or when a subtitle is full."""
    segments: list[Segment] = []
    run: list[Word] = []
    for word in words:
        if run and _is_break(run, word):
            segments.append(_segment(run))
            run = []
        run.append(word)
    if run:
        segments.append(_segment(run))
    return tuple(segments)


def _is_break(run: Sequence[Word], word: Word) -> bool:
    last = run[-1]
    return (
        last.text.rstrip("\"'”’»)").endswith(_SENTENCE_ENDS)
        or word.start_s - last.end_s > PAUSE_S
        or word.speaker != last.speaker
        or word.end_s - run[0].start_s > MAX_DURATION_S
        or sum(len(each.text) + 1 for each in run) + len(word.text) > MAX_CHARS
    )


def _segment(run: Sequence[Word]) -> Segment:
    sure = [word.confidence for word in run if word.confidence is not None]
    return Segment(
        text=" ".join(word.text.strip() for word in run),
        start_s=run[0].start_s,
        end_s=max(run[-1].end_s, run[0].start_s),
        speaker=run[0].speaker,
        confidence=sum(sure) / len(sure) if sure else None,
    )

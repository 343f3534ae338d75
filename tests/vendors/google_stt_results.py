"""What the fake Google heard as its answers have it: results of v1 and of v2, one for each turn.

With speakers v1 repeats all words in its last result, and only there with their speakers; v2 names them in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from google.cloud import speech_v1, speech_v2

from tests.vendors.heard import Heard, HeardWord

CONFIDENCE = 0.95


def v1_results(heard: Heard, config: Any, *, is_diarized: bool) -> list[Any]:
    """Return `RecognizeResponse.results`; from the second on a transcript begins with a space."""
    results = []
    for number, turn in enumerate(heard.turns):
        alternative = speech_v1.SpeechRecognitionAlternative(
            transcript=_text(turn, number), confidence=CONFIDENCE, words=_v1_words(turn, config, is_diarized=False)
        )
        results.append(
            speech_v1.SpeechRecognitionResult(
                alternatives=[alternative],
                result_end_time=timedelta(seconds=turn[-1].end_s),
                language_code=config.language_code.lower(),
            )
        )
    if is_diarized and heard.words:
        words = _v1_words(heard.words, config, is_diarized=True)
        results.append(
            speech_v1.SpeechRecognitionResult(alternatives=[speech_v1.SpeechRecognitionAlternative(words=words)])
        )
    return results


def v2_results(heard: Heard, config: Any, *, is_diarized: bool) -> list[Any]:
    """Return `RecognizeResponse.results` of v2."""
    language = "en-us" if config.language_codes[0] == "auto" else config.language_codes[0].lower()
    results = []
    for number, turn in enumerate(heard.turns):
        words = _v2_words(turn, config, is_diarized=is_diarized)
        alternative = speech_v2.SpeechRecognitionAlternative(
            transcript=_text(turn, number), confidence=CONFIDENCE, words=words
        )
        results.append(
            speech_v2.SpeechRecognitionResult(
                alternatives=[alternative],
                result_end_offset=timedelta(seconds=turn[-1].end_s),
                language_code=language,
            )
        )
    return results


def _v1_words(words: Iterable[HeardWord], config: Any, *, is_diarized: bool) -> list[Any]:
    if not config.enable_word_time_offsets and not is_diarized:
        return []
    return [
        speech_v1.WordInfo(
            start_time=timedelta(seconds=word.start_s),
            end_time=timedelta(seconds=word.end_s),
            word=word.text,
            confidence=CONFIDENCE if config.enable_word_confidence else 0.0,
            speaker_tag=word.turn % 2 + 1 if is_diarized else 0,
            speaker_label=str(word.turn % 2 + 1) if is_diarized else "",
        )
        for word in words
    ]


def _v2_words(words: Iterable[HeardWord], config: Any, *, is_diarized: bool) -> list[Any]:
    if not config.features.enable_word_time_offsets:
        return []
    return [
        speech_v2.WordInfo(
            start_offset=timedelta(seconds=word.start_s),
            end_offset=timedelta(seconds=word.end_s),
            word=word.text,
            confidence=CONFIDENCE if config.features.enable_word_confidence else 0.0,
            speaker_label=str(word.turn % 2 + 1) if is_diarized else "",
        )
        for word in words
    ]


def _text(turn: Sequence[HeardWord], number: int) -> str:
    return ("" if number == 0 else " ") + " ".join(word.text for word in turn)

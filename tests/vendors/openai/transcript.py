"""A deterministic transcript of a recording, and its renderings: json, text, srt, vtt, verbose_json, diarized_json."""

from __future__ import annotations

import hashlib
import io
import math
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.vendors.recordings import container_of
from tests.vendors.spelled import words_in
from tests.vendors.tokens import count_tokens

WORDS_PER_SEGMENT = 4
AUDIO_TOKENS_PER_S = 10  # of the simulator; the live rate is not documented
# ISO-639-1 -> the English name verbose_json uses
LANGUAGES = {"en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "ja": "japanese"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it is spoken."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, word by word."""

    words: tuple[Word, ...]
    duration_s: float
    language: str  # ISO-639-1

    @property
    def text(self) -> str:
        """Return the words as one line."""
        return " ".join(word.text for word in self.words)

    def segments(self) -> list[Sequence[Word]]:
        """Return the words in groups of four."""
        return [self.words[i : i + WORDS_PER_SEGMENT] for i in range(0, len(self.words), WORDS_PER_SEGMENT)]


def transcribe(identity: str, model: str, audio: bytes, duration_s: float, language: str) -> Transcript:
    """Return a transcript that names the fake and the recording, its words spread evenly over the duration.

    Of words that are spelled (see spelled.py) it has these, when they are heard.
    """
    spelled = _spelled(audio)
    if spelled:
        return Transcript(spelled, duration_s, language)
    digest = hashlib.sha256(audio).hexdigest()[:12]
    spoken = f"This is {identity}/{model} and the recording is {digest}.".split()
    step = duration_s / len(spoken)
    words = (Word(word, round(i * step, 3), round((i + 1) * step, 3)) for i, word in enumerate(spoken))
    return Transcript(tuple(words), duration_s, language)


def _spelled(audio: bytes) -> tuple[Word, ...]:
    if container_of(audio) != "wav":
        return ()
    with wave.open(io.BytesIO(audio)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            return ()
        heard = words_in(array("h", file.readframes(file.getnframes())), file.getframerate())
    return tuple(Word(word.text, round(word.start_s, 3), round(word.end_s, 3)) for word in heard)


def duration_usage(transcript: Transcript) -> dict[str, Any]:
    """Return usage in started seconds."""
    return {"type": "duration", "seconds": math.ceil(transcript.duration_s)}


def token_usage(transcript: Transcript, prompt: str) -> dict[str, Any]:
    """Return usage in tokens: 10 a second of audio, the prompt's text, the transcript's text."""
    audio = math.ceil(transcript.duration_s * AUDIO_TOKENS_PER_S)
    text = count_tokens(prompt)
    output = count_tokens(transcript.text)
    return {
        "type": "tokens",
        "input_tokens": audio + text,
        "input_token_details": {"text_tokens": text, "audio_tokens": audio},
        "output_tokens": output,
        "total_tokens": audio + text + output,
    }


def verbose_json(transcript: Transcript, task: str, granularities: Sequence[str]) -> dict[str, Any]:
    """Return verbose_json with segments, words or both."""
    body: dict[str, Any] = {
        "task": task,
        "language": LANGUAGES.get(transcript.language, transcript.language),
        "duration": transcript.duration_s,
        "text": transcript.text,
    }
    if "word" in granularities:
        body["words"] = [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in transcript.words]
    if "segment" in granularities:
        body["segments"] = [_segment(i, words) for i, words in enumerate(transcript.segments())]
    return body


def diarized_segments(transcript: Transcript, speakers: Sequence[str]) -> list[dict[str, Any]]:
    """Return the segments with speakers taking turns."""
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{index}",
            "start": words[0].start_s,
            "end": words[-1].end_s,
            "speaker": speakers[index % len(speakers)],
            "text": _joined(words),
        }
        for index, words in enumerate(transcript.segments())
    ]


def plain_text(transcript: Transcript) -> str:
    """Return the words and a line feed."""
    return transcript.text + "\n"


def srt(transcript: Transcript) -> str:
    """Return SubRip text."""
    cues = (
        f"{number}\n{_clock(words[0].start_s, ',')} --> {_clock(words[-1].end_s, ',')}\n{_joined(words)}\n"
        for number, words in enumerate(transcript.segments(), start=1)
    )
    return "\n".join(cues) + "\n"


def vtt(transcript: Transcript) -> str:
    """Return WebVTT text."""
    cues = (
        f"{_clock(words[0].start_s, '.')} --> {_clock(words[-1].end_s, '.')}\n{_joined(words)}\n"
        for words in transcript.segments()
    )
    return "WEBVTT\n\n" + "\n".join(cues) + "\n"


def _segment(index: int, words: Sequence[Word]) -> dict[str, Any]:
    return {
        "id": index,
        "seek": 0,
        "start": words[0].start_s,
        "end": words[-1].end_s,
        "text": f" {_joined(words)}",
        "tokens": list(range(1, len(words) + 1)),
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.01,
    }


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _clock(seconds: float, mark: str) -> str:
    millis = round(seconds * 1000)
    return f"{millis // 3_600_000:02}:{millis // 60_000 % 60:02}:{millis // 1000 % 60:02}{mark}{millis % 1000:03}"

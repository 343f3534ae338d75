"""What a simulator of transcription hears: the recording is really decoded, and what is said depends on nothing else.

The sandbox's speech carries its text, which survives in mp3 and in whatever keeps samples; of other sounds the length
is said. Silence gives no words. A file that breaks off or cannot be decoded is no recording.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import av

from plugins.sandbox.hearing import ForeignAudio, NotAudio, hear
from tests.vendors.recordings import UnreadableAudio, container_of
from tests.vendors.spelled import words_in
from tests.vendors.tones import wav_file

SILENCE_PEAK = 64  # of 32,767: dither and the noise of codecs stay below
WORDS_A_TURN = 4  # after which speakers take turns, and an utterance ends
CUT_S = 0.25


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word, when it is spoken, and in whose turn, which counts from 0."""

    text: str
    start_s: float
    end_s: float
    turn: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What was decoded, and what was said."""

    container: str
    codec: str
    duration_s: float
    rate_hz: int
    channels: int
    words: tuple[HeardWord, ...]

    @property
    def text(self) -> str:
        """Return the words as one line."""
        return " ".join(word.text for word in self.words)

    @property
    def turns(self) -> list[Sequence[HeardWord]]:
        """Return the words in groups of one turn."""
        return [self.words[at : at + WORDS_A_TURN] for at in range(0, len(self.words), WORDS_A_TURN)]


def listen(content: bytes, identity: str) -> Heard:
    """Return what a vendor of that name hears; raises UnreadableAudio."""
    container = container_of(content)
    try:
        with av.open(io.BytesIO(content), "r", metadata_errors="ignore") as file:
            if not file.streams.audio:
                raise UnreadableAudio("holds no audio")
            codec = file.streams.audio[0].codec_context.name
            stated_s = (file.duration or 0) / av.time_base
            rate_hz, channels, samples = _decoded(file)
    except av.error.FFmpegError as error:
        raise UnreadableAudio(f"cannot be decoded: {error}") from error
    duration_s = len(samples) / rate_hz if rate_hz else 0.0
    if not samples:
        raise UnreadableAudio("holds no sound")
    if duration_s < stated_s - CUT_S:
        raise UnreadableAudio(f"breaks off after {duration_s:.1f} s of {stated_s:.1f} s")
    spelled = words_in(samples, rate_hz)
    if spelled:
        words = (HeardWord(word.text, round(word.start_s, 3), round(word.end_s, 3), 0) for word in spelled)
        return Heard(container, codec, round(duration_s, 3), rate_hz, channels, tuple(words))
    text = _text(content, container, samples, rate_hz, duration_s, identity)
    return Heard(container, codec, round(duration_s, 3), rate_hz, channels, _timed(text, duration_s))


def _decoded(file: av.container.InputContainer) -> tuple[int, int, array[int]]:
    """Return rate, channels, and the first channel's samples."""
    rate_hz, channels, samples = 0, 0, array("h")
    resampler = None
    for frame in file.decode(audio=0):
        if resampler is None:
            rate_hz, channels = frame.sample_rate, len(frame.layout.channels)
            resampler = av.AudioResampler(format="s16p", rate=rate_hz)
        for piece in resampler.resample(frame):
            samples.frombytes(bytes(piece.planes[0])[: piece.samples * 2])
    return rate_hz, channels, samples


def _text(content: bytes, container: str, samples: array[int], rate_hz: int, duration_s: float, identity: str) -> str:
    try:
        return hear(content if container == "mp3" else wav_file(samples.tobytes(), rate_hz)).text
    except (ForeignAudio, NotAudio):
        if max(max(samples), -min(samples)) < SILENCE_PEAK:
            return ""
        return f"This is {identity} and the recording lasts {duration_s:.0f} seconds."


def _timed(text: str, duration_s: float) -> tuple[HeardWord, ...]:
    """Spread the words evenly."""
    words = text.split()
    step = duration_s / len(words) if words else 0.0
    return tuple(
        HeardWord(word, round(at * step, 3), round((at + 1) * step, 3), at // WORDS_A_TURN)
        for at, word in enumerate(words)
    )

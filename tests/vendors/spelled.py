"""Recordings whose words and times are known: each word is two tones that spell its number, between them is silence.

Whatever keeps the pitch keeps the words: another rate, a codec, a cut between two of them. `spell` writes them,
`words_in` hears them; a simulator that hears such words answers with them and with their true times.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

TONE_S = 0.12  # of each of a word's two
STEPS, LOWEST_HZ, STEP_HZ = 40, 300, 40  # 300 to 1,860 Hz: 1,600 words, and what 8 kHz still carries
AMPLITUDE = 9_000
LOUD = 2_000  # of 32,767: noise, and what codecs add, stays below
HALF = "half"  # what is heard of a word that the recording begins or ends within
_WINDOW_S = 0.005


@dataclass(frozen=True, slots=True)
class SpelledWord:
    text: str
    start_s: float
    end_s: float


def spell(seconds: float, rate_hz: int, seed: int = 1, noise: int = 0) -> tuple[bytes, list[SpelledWord]]:
    """Return s16le mono of so many seconds, and its words: about one a second, in phrases, with pauses between them.

    With `noise` nobody pauses: sound of that level lies over all of it.
    """
    rand = random.Random(seed)
    samples, words = array("h", bytes(2 * round(seconds * rate_hz))), []
    at_s, number = 0.4, 0
    while at_s + 2 * TONE_S < seconds - 0.3:
        first, second = divmod(number * 7 % STEPS**2, STEPS)
        number += 1
        start = round(at_s * rate_hz)
        sound = _tone(first, rate_hz) + _tone(second, rate_hz)
        samples[start : start + len(sound)] = sound
        words.append(SpelledWord(f"w{first:02}{second:02}", at_s, at_s + 2 * TONE_S))
        at_s = round(at_s + 2 * TONE_S + (rand.uniform(0.6, 1.5) if number % 8 == 0 else rand.uniform(0.1, 0.5)), 3)
    if noise:
        hiss = array("h", (rand.randint(-noise, noise) for _ in range(rate_hz)))
        for at in range(len(samples)):
            samples[at] += hiss[at % rate_hz]
    return samples.tobytes(), words


def words_in(samples: array[int], rate_hz: int) -> list[SpelledWord]:
    """Return the words of samples in one channel; [] where they are something else."""
    window = max(1, round(_WINDOW_S * rate_hz))
    loud = [
        max(piece) - min(piece) > 2 * LOUD
        for at in range(0, len(samples) - window + 1, window)
        if (piece := samples[at : at + window])
    ]
    words: list[SpelledWord] = []
    start = None
    for index, is_loud in enumerate([*loud, False]):
        if is_loud and start is None:
            start = index
        elif not is_loud and start is not None:
            word = _read(samples[start * window : index * window], rate_hz)
            is_at_edge = start == 0 or index >= len(loud) - 1
            if word is None and not is_at_edge:
                return []
            word = word or HALF
            words.append(SpelledWord(word, start * window / rate_hz, index * window / rate_hz))
            start = None
    return words if any(word.text != HALF for word in words) else []


def _read(sound: array[int], rate_hz: int) -> str | None:
    if abs(len(sound) / rate_hz - 2 * TONE_S) > 0.04:
        return None
    middle, edge = len(sound) // 2, round(0.02 * rate_hz)
    steps = [_step(half, rate_hz) for half in (sound[edge : middle - edge], sound[middle + edge : -edge])]
    return None if None in steps else f"w{steps[0]:02}{steps[1]:02}"


def _step(sound: array[int], rate_hz: int) -> int | None:
    """Return which tone it is, by the time between the first and the last of its rising crossings."""
    crossings: list[float] = []
    is_low = False
    for at, level in enumerate(sound):
        if level < -LOUD:  # noise around zero is no crossing
            is_low = True
        elif is_low and level > LOUD:
            is_low = False
            crossings.append(at - (level - LOUD) / max(1, level - sound[at - 1]))
    if len(crossings) < 3:
        return None
    pitch_hz = (len(crossings) - 1) * rate_hz / (crossings[-1] - crossings[0])
    step, off = divmod(pitch_hz - LOWEST_HZ + STEP_HZ / 2, STEP_HZ)
    return int(step) if 0 <= step < STEPS and 0.2 * STEP_HZ < off < 0.8 * STEP_HZ else None


@cache
def _tone(step: int, rate_hz: int) -> array[int]:
    pitch_hz, count = LOWEST_HZ + step * STEP_HZ, round(TONE_S * rate_hz)
    return array("h", (round(AMPLITUDE * math.sin(2 * math.pi * pitch_hz * at / rate_hz)) for at in range(count)))


def text_of(words: Sequence[SpelledWord]) -> str:
    return " ".join(word.text for word in words)

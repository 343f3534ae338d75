"""What is a target asked for, and what is made of it, where it does not make the audio that the client wants?

Decided from the call and the target's row, before anything is sent: the same answer for whoever asks, failover and the
attempt itself. What loses nothing is preferred: the wanted rate first, then higher ones, then lower, then compressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gateway.audio.ability import PCM_RATE_HZ
from gateway.audio.answer import audio_format
from gateway.audio.codecs import PLAIN, RATES_HZ, has_codecs
from gateway.types import AudioFormat, Call, Speech, Target

_RATES_HZ = (24_000, 48_000, 44_100, 32_000, 22_050, 16_000, 8_000)
_COMPRESSED = ("flac", "mp3", "opus", "aac")

Refuses = Callable[[Call, Target], bool]


@dataclass(frozen=True, slots=True)
class Plan:
    """`asked` is what the target is to speak, `wanted` what the client gets."""

    asked: Speech
    wanted: AudioFormat

    @property
    def is_plain(self) -> bool:
        """Whether a header put on or taken off is all there is to it."""
        names = {self.asked.format, self.wanted.name}
        return names <= PLAIN and self.asked.sample_rate_hz == self.wanted.sample_rate_hz


def is_allowed(target: Target) -> bool:
    """Say whether the operator lets this target's speech be converted."""
    own = target.model.convert
    return target.provider.convert if own is None else own


def plan(call: Call, target: Target, refuses: Refuses) -> Plan | None:
    """Return how the target can serve a call that it cannot serve as it stands, None where it cannot so either.

    `refuses` says whether the target takes a call as it stands.
    """
    speech = call.body
    if not isinstance(speech, Speech) or not (call.is_part or is_allowed(target)):
        return None  # what is joined is decoded and made anew anyway
    wanted = audio_format(speech.format, speech.sample_rate_hz or PCM_RATE_HZ)
    if wanted.sample_rate_hz not in RATES_HZ.get(wanted.name, ()):
        return None
    for name, rate_hz in _candidates(wanted):
        asked = replace(speech, format=name, sample_rate_hz=rate_hz)
        if not refuses(replace(call, body=asked), target):
            return Plan(asked, wanted)
    return None


def _candidates(wanted: AudioFormat) -> Iterator[tuple[str, int | None]]:
    wanted_hz = wanted.sample_rate_hz or PCM_RATE_HZ
    is_coded = wanted.name not in PLAIN
    if is_coded and not has_codecs():
        return
    higher = [rate for rate in sorted(_RATES_HZ) if rate > wanted_hz]
    lower = [rate for rate in sorted(_RATES_HZ, reverse=True) if rate < wanted_hz]
    for rate_hz in (wanted_hz, *higher, *lower):
        for name in ("pcm", "wav"):
            if (name, rate_hz) != (wanted.name, wanted_hz):
                yield name, rate_hz
    if has_codecs():
        yield from ((name, None) for name in _COMPRESSED if name != wanted.name)
        yield wanted.name, None  # at whatever rate the vendor has

"""Into which pieces is a recording cut that is too long for its targets, and for whom? Decided without asking anybody.

Limits are not known here: a piece fits where its target would not refuse a WAV of that length, in seconds or in bytes.
"""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.audio.pieces import OVERLAP_S, Piece
from gateway.audio.records import RATE_HZ
from gateway.audio.wav import HEADER_BYTES
from gateway.audio.window import WavWindow
from gateway.middlewares import usable
from gateway.middlewares.long_text import meets, unconditional
from gateway.types import Call, Recording, Sound, Target, Upload
from gateway.upstream.cutter import Sound as Samples

LEAST_S = 10 * OVERLAP_S  # of a piece: less would be overlaps more than anything else
FAIR_S = 300.0  # who takes so much can have pieces that fit him without many more requests


@dataclass(frozen=True, slots=True)
class Able:
    """Those of a call's targets that can write its recording down, in order; `in_pieces` those that cannot at once."""

    targets: tuple[Target, ...]
    in_pieces: tuple[Target, ...]

    @property
    def is_whole_first(self) -> bool:
        """Whether the recording is sent as it stands, before any of it is cut: to whoever takes it, for a whole is
        written down better than pieces."""
        return len(self.in_pieces) < len(self.targets) or not self.in_pieces

    @property
    def has_strategy(self) -> bool:
        return any(target.place is not None for target in self.targets)


def able(call: Call) -> Able:
    """Return who can write the recording down, at once or in pieces."""
    short = of_length(call, LEAST_S)
    targets, in_pieces = [], []
    for target in call.targets:
        if usable.refuse(call, target) is None:
            targets.append(target)
        elif meets(call, target) and usable.refuse(short, unconditional(target)) is None:
            targets.append(target)
            in_pieces.append(target)
    return Able(tuple(targets), tuple(in_pieces))


def takers_of(call: Call, found: Able) -> tuple[Target, ...]:
    """Return for whom the recording is cut: the first one, and those after him that take long pieces; or all."""
    targets = tuple(map(unconditional, found.in_pieces if found.is_whole_first else found.targets))
    if found.has_strategy:
        return targets
    fair = of_length(call, FAIR_S)
    return (targets[0], *(target for target in targets[1:] if usable.refuse(fair, target) is None))


def longest_s(call: Call, takers: Sequence[Target], most_s: float) -> float:
    """Return how long a piece may be that each of them takes, which is LEAST_S at least."""

    def is_refused(seconds: int) -> bool:
        piece = of_length(call, float(seconds))
        return any(usable.refuse(piece, target) is not None for target in takers)

    return max(LEAST_S, float(bisect_right(range(1, math.floor(most_s) + 1), False, key=is_refused)))


def calls_of(
    call: Call, pieces: Sequence[Piece], sound: Samples, targets: tuple[Target, ...], *, first: int
) -> list[Call]:
    """Return the calls for the pieces of a recording, whose files are numbered from `first` on."""
    assert isinstance(call.body, Recording)
    calls = []
    for number, piece in enumerate(pieces, first):
        start, end = (2 * round(at_s * RATE_HZ) for at_s in (piece.start_s, piece.end_s))
        window = WavWindow(sound.file, start, min(end, sound.size_bytes), RATE_HZ)
        upload = Upload(f"part-{number}.wav", "audio/wav", window.size_bytes, io.BufferedReader(window))
        content_by_s = call.content_by_s if number == 0 else float("inf")
        calls.append(replace(_with(call, upload, piece.seconds), targets=targets, content_by_s=content_by_s))
    return calls


def of_length(call: Call, seconds: float) -> Call:
    """Return the call for a piece of some length, without its sound."""
    size = HEADER_BYTES + 2 * math.ceil(seconds * RATE_HZ)
    return _with(call, Upload("part.wav", "audio/wav", size, io.BytesIO()), seconds)


def _with(call: Call, upload: Upload, seconds: float) -> Call:
    assert isinstance(call.body, Recording)
    body = replace(
        call.body, audio=upload, container="wav", duration_s=seconds, sound=Sound("pcm", RATE_HZ, 1, 16), url=None
    )
    return replace(call, body=body, is_part=True, stream=False)

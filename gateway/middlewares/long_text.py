"""Into which parts is a text cut that is too long for its targets, and for whom? Decided without asking anybody.

Limits are not known here: a part fits where its target would not refuse it, in whatever unit its vendor counts. The
operator's order stays: the first target that can speak the text, whole or in parts, is who it is cut for, and as far as
that costs little for those who come after it. Where these take less, a part is cut anew once the others have failed. A
strategy chooses among all, so that a part has to fit them all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway import json
from gateway.audio.sentences import GROWTH, Unspeakable, parts_of
from gateway.audio.ssml_parts import NotXml, ssml_parts
from gateway.errors import InvalidRequest
from gateway.middlewares import usable
from gateway.middlewares.conditions import unmet
from gateway.types import AudioFormat, Call, Speech, Target

SHORT_CHARS = 200  # no vendor takes less; such a text is not looked at
FAIR_CHARS = 1_000  # a minute of speech: who takes so much can have parts that fit him without many more requests


@dataclass(frozen=True, slots=True)
class Able:
    """Those of a call's targets that can speak its text, in order; `in_parts` are the ones that cannot at once."""

    targets: tuple[Target, ...]
    in_parts: tuple[Target, ...]

    @property
    def has_strategy(self) -> bool:
        return any(target.place is not None for target in self.targets)

    @property
    def is_whole_first(self) -> bool:
        """Whether the text is sent as it stands, before any of it is cut."""
        return not self.in_parts or (not self.has_strategy and self.targets[0] not in self.in_parts)


def able(call: Call, form: AudioFormat) -> Able:
    """Return who can speak the text as it is asked for, or in parts that are joined as `form`."""
    speech = call.body
    assert isinstance(speech, Speech)
    shortest = as_part(call, _sample(speech, 1), form)
    targets, in_parts = [], []
    for target in call.targets:
        if usable.refuse(call, target) is None:
            targets.append(target)
        elif meets(call, target) and usable.refuse(shortest, unconditional(target)) is None:
            targets.append(target)
            in_parts.append(target)
    return Able(tuple(targets), tuple(in_parts))


def cut(call: Call, text: str, takers: Sequence[Target], form: AudioFormat, growth: int = GROWTH) -> list[Call]:
    """Return the calls for the parts of a text, of which each taker takes each. `growth`: see sentences.packed.

    Raises InvalidRequest for SSML that is no XML, and where a part that must not be cut is too long.
    """
    speech = call.body
    assert isinstance(speech, Speech)

    def fits(part: str) -> bool:
        asked = as_part(call, part, form)
        return all(usable.refuse(asked, target) is None for target in takers)

    try:
        parts = (ssml_parts if speech.is_ssml else parts_of)(text, fits, speech.language, growth)
    except NotXml as error:
        raise InvalidRequest(f"'input' is SSML that {error}", param="input") from error
    except Unspeakable as error:
        names = ", ".join(target.name for target in takers)
        raise InvalidRequest(f"'input' is too long for {names}, and cannot be cut: {error}", param="input") from error
    return [
        replace(
            as_part(call, part, form),
            content_by_s=call.content_by_s if number == 0 else float("inf"),
            raw=_raw(speech, part),
        )
        for number, part in enumerate(parts)
    ]


def first_cut(call: Call, found: Able, form: AudioFormat, growth: int = GROWTH) -> list[Call]:
    """Return the parts of a call's text, cut for who comes first and can take them. Raises InvalidRequest."""
    speech = call.body
    assert isinstance(speech, Speech)
    targets = tuple(map(unconditional, found.in_parts if found.is_whole_first else found.targets))
    asked = replace(call, targets=targets)
    if found.has_strategy:
        return cut(asked, speech.text, targets, form, growth)
    sample = as_part(call, _sample(speech, FAIR_CHARS), form)
    fair = [target for target in targets if usable.refuse(sample, target) is None]
    refused: InvalidRequest | None = None
    for takers in ((targets[0], *fair), *((target,) for target in targets)):  # an element may be too long for the first
        try:
            return cut(asked, speech.text, takers, form, growth)
        except InvalidRequest as error:
            refused = refused or error
    assert refused is not None
    raise refused


def shorter_cut(part: Call, form: AudioFormat) -> list[Call] | None:
    """Return a part in smaller ones, for those of its targets that it is too long for; None where there are none.

    Raises InvalidRequest as `cut` does.
    """
    assert isinstance(part.body, Speech)
    smaller = tuple(target for target in part.targets if usable.refuse(part, target) is not None)
    if not smaller:
        return None
    return cut(replace(part, targets=smaller), part.body.text, smaller[:1], form)


def as_part(call: Call, text: str, form: AudioFormat) -> Call:
    """Return the call for a part, spoken as samples."""
    assert isinstance(call.body, Speech)
    body = replace(call.body, text=text, format="pcm", sample_rate_hz=form.sample_rate_hz, streams_as="audio")
    return replace(call, body=body, raw=None, is_part=True)


def unconditional(target: Target) -> Target:
    """A condition was held against the whole call: a part of it is not asked anew how long it is."""
    if target.place is None or target.place.when is None:
        return target
    return replace(target, place=replace(target.place, when=None))


def _raw(speech: Speech, part: str) -> bytes:
    """What a cache knows a part by: all that decides how it sounds, but not in which format the whole is sent."""
    said = {"part": part, "voice": speech.voice, "speed": speech.speed, "rate_hz": speech.sample_rate_hz}
    said |= {"instructions": speech.instructions, "language": speech.language, "ssml": speech.is_ssml}
    return json.dumps(said | {"extra": dict(speech.extra)})


def _sample(speech: Speech, chars: int) -> str:
    return f"<speak>{'a' * chars}</speak>" if speech.is_ssml else "a" * chars


def meets(call: Call, target: Target) -> bool:
    when = target.place.when if target.place is not None else None
    return when is None or unmet(call, when, time.time()) is None

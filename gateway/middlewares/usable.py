"""Can this target serve this call? Decided from the call and the target's row, before anything is sent."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace

from gateway.errors import GatewayError, InvalidRequest, UnsupportedByTarget, UpstreamUnavailable
from gateway.live import is_composed, live_refusal, spoken_call
from gateway.middlewares import capability
from gateway.middlewares.conditions import unmet
from gateway.middlewares.conversion import Plan, plan
from gateway.middlewares.estimate import input_of
from gateway.plugin import takes_urls
from gateway.types import Call, Chat, Live, Passage, Recording, Speech, Target

SPEECH_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target cannot serve a call; `param` is the field that asks too much."""

    target: str
    param: str | None
    reason: str
    is_passing: bool = False  # another time it may serve the same call
    is_too_long: bool = False  # of a text that the model cannot hold


def split(call: Call) -> tuple[list[Target], list[Refusal]]:
    """Return the targets that can serve the call, in order, and why the others cannot."""
    usable: list[Target] = []
    refused: list[Refusal] = []
    for target in call.targets:
        refusal = refuse(call, target)
        if refusal is None:
            usable.append(target)
        else:
            refused.append(refusal)
    cramped = _cramped(call, usable)
    if cramped:
        refused += cramped
        names = {refusal.target for refusal in cramped}
        usable = [target for target in usable if target.name not in names]
    return usable, refused


def refuse(call: Call, target: Target) -> Refusal | None:
    """Return why the target cannot serve the call, or None where it can, be it by converting what it speaks."""
    if target.place is not None and target.place.when is not None:
        condition = unmet(call, target.place.when, time.time())
        if condition is not None:
            return Refusal(target.name, None, condition.reason, condition.is_passing)
    refusal = refuse_as_it_stands(call, target)
    return None if refusal is not None and _plan(call, target) is not None else refusal


def conversion(call: Call, target: Target) -> Plan | None:
    """Return how a call is served by converting, None where the target makes what is asked for."""
    return _plan(call, target) if refuse_as_it_stands(call, target) is not None else None


def refuse_as_it_stands(call: Call, target: Target) -> Refusal | None:
    """Return why the target cannot serve the call without any conversion."""
    name = target.name
    match call.body:
        case Passage():
            return None  # the allow-list has decided
        case Speech() as speech:
            if target.model.formats and speech.format not in target.model.formats:
                has = _listed(target.model.formats)
                return Refusal(name, "response_format", f"has no format {speech.format}; it has {has}")
            if target.voice_for(speech.voice) is None:
                return Refusal(name, "voice", f"has no voice {speech.voice[:60]!r}")
            most = target.model.max_chars
            if most is not None and len(speech.text) > most:
                return Refusal(name, "input", f"takes at most {most} characters, not {len(speech.text)}")
            most = target.model.max_bytes
            if most is not None and (size := len(speech.text.encode(errors="replace"))) > most:
                return Refusal(name, "input", f"takes at most {most} bytes of UTF-8, not {size}")
            unfit = capability.refusal(call, target)
            if unfit is not None:
                return Refusal(name, unfit.param, unfit.reason)
        case Recording() as recording:
            if recording.url is not None and not takes_urls(target):
                return Refusal(name, "url", "fetches no recordings itself; send the file")
            if recording.url is None and target.model.containers and recording.container not in target.model.containers:
                return Refusal(
                    name, "file", f"does not take {recording.container}; it takes {_listed(target.model.containers)}"
                )
            limit = target.model.max_upload_bytes
            if limit is not None and recording.audio.size_bytes > limit:
                return Refusal(name, "file", f"takes at most {limit} bytes, not {recording.audio.size_bytes}")
            most_s = target.model.max_audio_s
            if most_s is not None and recording.duration_s is not None and recording.duration_s > most_s:
                return Refusal(name, "file", f"takes at most {most_s:g} s of audio, not {recording.duration_s:.1f} s")
            unfit = capability.refusal(call, target)
            if unfit is not None:
                return Refusal(name, unfit.param, unfit.reason)
        case Chat():
            unfit = capability.refusal(call, target)
            if unfit is not None:
                return Refusal(name, unfit.param, unfit.reason, is_too_long=unfit.is_too_long)
        case Live() as live:
            if is_composed(call, target):
                if live.encoding != "linear16":
                    return Refusal(name, "encoding", f"speaks encoding=linear16 over a socket, not {live.encoding}")
                return refuse_as_it_stands(spoken_call(call, target, "."), target)
            spoken = live_refusal(call, target)
            if spoken is not None:
                return Refusal(name, None, spoken)
        case _:
            pass
    reason = target.provider.plugin.refusal(call, target)
    return Refusal(name, None, reason) if reason is not None else None


def error(call: Call, refused: list[Refusal]) -> GatewayError:
    """Return the error for a call that no target can serve."""
    params = {refusal.param for refusal in refused}
    if params == {"voice"} and isinstance(call.body, Speech):
        targets_of = Counter(voice for target in call.targets for voice in target.voices)
        # A vendor's own names come last: few have them, or they are written with capitals.
        known = sorted(targets_of, key=lambda voice: (-targets_of[voice], voice != voice.lower(), voice))
        return InvalidRequest(
            f"'voice' {call.body.voice[:60]!r} is not known to {call.model!r}; it has {', '.join(known[:40])}",
            param="voice",
        )
    if any(refusal.is_passing for refusal in refused):
        reasons = "; ".join(f"{refusal.target} {refusal.reason}" for refusal in refused)
        return UpstreamUnavailable(f"no target of {call.model!r} serves this now: {reasons}")
    formats = _formats_to_be_had(call)
    hint = f"; formats to be had: {', '.join(formats)}" if formats else ""
    reasons = "; ".join(f"{refusal.target} {refusal.reason}" for refusal in refused)
    return UnsupportedByTarget(
        f"no target of {call.model!r} can serve this: {reasons}{hint}", param=params.pop() if len(params) == 1 else None
    )


def _cramped(call: Call, usable: list[Target]) -> list[Refusal]:
    """Return those in which the text will hardly have room, where some have room enough.

    A count of tokens is an estimate: where nobody is sure to have room all are asked, and their vendors decide.
    """
    if not isinstance(call.body, Chat) or len(usable) < 2:
        return []
    if all(target.model.context_tokens is None for target in usable):
        return []
    given = input_of(call)
    needed = (given.tokens() if given is not None else 0) + (call.body.max_output_tokens or 0)
    cramped = [
        Refusal(target.name, "messages", f"holds {most} tokens; this needs about {needed}")
        for target in usable
        if (most := target.model.context_tokens) is not None and most < needed
    ]
    return cramped if len(cramped) < len(usable) else []


def _plan(call: Call, target: Target) -> Plan | None:
    return plan(call, target, lambda asked, at: refuse_as_it_stands(asked, at) is not None)


def _formats_to_be_had(call: Call) -> list[str]:
    """Return the formats in which some target would speak this: what a client may ask for instead."""
    speech = call.body
    if not isinstance(speech, Speech):
        return []
    return [
        name
        for name in SPEECH_FORMATS
        if any(refuse(replace(call, body=replace(speech, format=name)), target) is None for target in call.targets)
    ]


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))

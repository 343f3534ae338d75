"""`when` of a target in routes.yaml compiled: what has to hold for it to be asked."""

from __future__ import annotations

import math
import re
from datetime import UTC, tzinfo
from fnmatch import translate
from types import MappingProxyType
from zoneinfo import ZoneInfo, available_timezones

from gateway.config.document import Section
from gateway.config.names import did_you_mean
from gateway.types import BudgetLeft, Hours, Operation, Size, SizeUnit, When, Words

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Which operations are of a size in which unit.
SIZES: MappingProxyType[SizeUnit, tuple[Operation, ...]] = MappingProxyType(
    {"input_tokens": ("chat", "embeddings"), "chars": ("speech",), "audio_s": ("transcription",)}
)
SPOKEN: tuple[Operation, ...] = ("speech", "transcription")
DAY_MIN = 1440


def compile_when(section: Section, operation: Operation) -> When:
    """Return what a section says of targets for `operation`; what could never hold is reported at its place."""
    return When(
        operations=_operations(section.at("operation"), operation),
        languages=_languages(section.at("language"), operation),
        sizes=tuple(size for unit in SIZES if (size := _size(section, unit, operation)) is not None),
        tags=tuple((name, _words(place)) for name, place in section.at("tags").each()),
        headers=tuple((name.lower(), _words(place)) for name, place in section.at("headers").each()),
        hours=_hours(section.at("time")) if "time" in section else None,
        budget_left=_budget_left(section.at("budget_left")),
    )


def _operations(section: Section, operation: Operation) -> frozenset[Operation]:
    possible = {operation, "tokens"} if operation == "chat" else {operation}
    for _, place in section.each():
        if place.value not in possible:
            place.error(f"this never holds: the model is for {operation}, not for {place.value}")
    return frozenset(section.value or ())


def _languages(section: Section, operation: Operation) -> tuple[str, ...]:
    if section.value and operation not in SPOKEN:
        section.error(f"language is known of speech and transcription, and this model is for {operation}", at_key=True)
    return tuple(language.lower().replace("_", "-") for language in section.value or ())


def _size(section: Section, unit: SizeUnit, operation: Operation) -> Size | None:
    keys = (f"min_{unit}", f"max_{unit}")
    for key in keys:
        if key in section and operation not in SIZES[unit]:
            of = " and ".join(SIZES[unit])
            section.at(key).error(f"{key} is a size of {of}, and this model is for {operation}", at_key=True)
    if not any(key in section for key in keys):
        return None
    least, most = section.get(keys[0], 0), section.get(keys[1], math.inf)
    if least > most:
        section.at(keys[0]).error(f"this never holds: {keys[0]} is {least} and {keys[1]} is {most}")
    return Size(unit, least, most)


def _words(section: Section) -> Words:
    patterns = (section.value,) if isinstance(section.value, str) else tuple(section.value)
    return Words(patterns, re.compile("|".join(translate(pattern) for pattern in patterns)))


def _hours(section: Section) -> Hours:
    days = [DAYS.index(day) for day in section.get("days", DAYS)]
    texts = (section.get("from", "00:00"), section.get("to", "24:00"))
    from_min, to_min = (int(text[:2]) * 60 + int(text[3:]) for text in texts)
    if from_min == to_min:
        section.at("from").error(f"this never holds: it is from {texts[0]} to {texts[1]}")
    name = section.get("zone", "UTC")
    all_days = len(set(days)) == len(DAYS)
    said = (
        "" if all_days else ", ".join(DAYS[day] for day in sorted(set(days))) + " "
    ) + f"{texts[0]}-{texts[1]} {name}"
    return Hours(frozenset(days), from_min, to_min, _zone(section.at("zone"), name), said)


def _zone(section: Section, name: str) -> tzinfo:
    if name == "UTC":  # known where no table of zones is installed
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # a folder of the table, a path out of it, a name that is not in it
        zones = available_timezones()
        hint = did_you_mean(name, zones) if zones else " (no zones are installed here: install tzdata)"
        section.error(f"zone {section.show()} is not known on this machine{hint}")
        return UTC


def _budget_left(section: Section) -> BudgetLeft | None:
    if section.value is None:
        return None
    least, most = section.get("min_percent", 0), section.get("max_percent", 100)
    if least > most:
        section.at("min_percent").error(f"this never holds: min_percent is {least} and max_percent is {most}")
    return BudgetLeft(section.get("limit"), least, most)

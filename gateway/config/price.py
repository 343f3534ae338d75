"""One price of the YAML compiled: its amounts, with its tiers by length of input and its changes by day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Any

from gateway.config.document import Section
from gateway.config.quantities import nano_usd
from gateway.types import Change, Price, Tier

KINDS = {  # of the YAML -> of `Price`
    "input_usd_per_mtok": "input_per_mtok",
    "cached_input_usd_per_mtok": "cached_input_per_mtok",
    "cache_write_usd_per_mtok": "cache_write_per_mtok",
    "output_usd_per_mtok": "output_per_mtok",
    "input_audio_usd_per_mtok": "input_audio_per_mtok",
    "output_audio_usd_per_mtok": "output_audio_per_mtok",
    "usd_per_mchar": "per_mchar",
    "usd_per_audio_minute": "per_audio_minute",
    "usd_per_audio_second": "per_audio_minute",  # sixty times as much, which is exact
    "usd_per_request": "per_request",
}


def compile_price(section: Section) -> Price | None:
    """Compile a price with its tiers and changes, each of which ends up whole: what it does not name is inherited."""
    if section.value is None:
        return None
    if not KINDS.keys() & section.value.keys():
        section.error("price has tiers or changes but no price that they change; name one, 0 where it is free")
    amounts, tiers = _amounts(section), _tiers(section.at("tiers"))
    base = _with_tiers(amounts, tiers)
    changes: list[Change] = []
    for _, place in section.at("changes").each():
        amounts |= _amounts(place)
        if "tiers" in place:
            tiers = _tiers(place.at("tiers"))
        day = place.at("from")
        try:
            from_s = _midnight_s(day.value)
        except ValueError as error:
            day.error(f"from is {day.show()}, which {error}")
            continue
        if changes and from_s <= changes[-1].from_s:
            day.error(f"from is {day.show()}, which is not after the change before it; the earliest stands first")
        changes.append(Change(from_s, _with_tiers(amounts, tiers)))
    return replace(base, changes=tuple(changes))


def is_day(text: str) -> bool:
    """Return whether the calendar has a day written as 2027-01-31."""
    try:
        _midnight_s(text)
    except ValueError:
        return False
    return True


def _midnight_s(day: str) -> float:
    """Return when a day begins in UTC, in seconds of the epoch. Raises ValueError."""
    try:
        return datetime.combine(date.fromisoformat(day), time(), UTC).timestamp()
    except ValueError as error:
        raise ValueError("is no day of the calendar; write it as '2027-01-31'") from error


def _amounts(section: Section) -> dict[str, Any]:
    amounts: dict[str, Any] = {}
    if "usd_per_audio_minute" in section and "usd_per_audio_second" in section:
        section.at("usd_per_audio_second").error("usd_per_audio_minute and usd_per_audio_second say the same; keep one")
    for key, place in section.each():
        if key not in KINDS:
            continue
        try:
            amounts[KINDS[key]] = nano_usd(place.value) * (60 if key == "usd_per_audio_second" else 1)
        except ValueError as error:
            place.error(f"{key} is {place.show()}, which {error}")
    return amounts


def _tiers(section: Section) -> list[tuple[int, dict[str, Any]]]:
    """Return where each tier begins and what it names."""
    tiers: list[tuple[int, dict[str, Any]]] = []
    for _, place in section.each():
        above = int(place.get("above_input_tokens"))
        if tiers and above <= tiers[-1][0]:
            limit = place.at("above_input_tokens")
            limit.error(
                f"above_input_tokens is {limit.show()}, not more than in the tier before it; write them ascending"
            )
        tiers.append((above, _amounts(place)))
    return tiers


def _with_tiers(amounts: dict[str, Any], tiers: list[tuple[int, dict[str, Any]]]) -> Price:
    return Price(**amounts, tiers=tuple(Tier(above, Price(**(amounts | own))) for above, own in tiers))

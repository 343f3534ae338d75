"""Is a target for this call? What `when` says, held against the call, its client, the clock and what is left. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway import json
from gateway.audio.languages import english_name
from gateway.middlewares.estimate import input_of
from gateway.types import BudgetLeft, Call, Hours, Recording, Size, Speech, When, Words

_SIZES = {"input_tokens": "tokens of input", "chars": "characters", "audio_s": "seconds of audio"}


class Unmet(NamedTuple):
    """Why a condition does not hold, fit to follow a target's name; whether that may pass by itself."""

    reason: str
    is_passing: bool = False


def unmet(call: Call, when: When, now_s: float) -> Unmet | None:
    """Return the first thing that does not hold at `now_s`, in seconds of the epoch; None where all does."""
    if when.operations and call.operation not in when.operations:
        return Unmet(f"is for {_listed(when.operations)} only")
    if when.languages and not _speaks(call, when.languages):
        return Unmet(f"is for the language {_either(when.languages)} only, which the request has to name")
    for size in when.sizes:
        if reason := _wrong_size(call, size):
            return Unmet(reason)
    if when.tags and (reason := _wrong_tag(call, when.tags)):
        return Unmet(reason)
    for name, words in when.headers:
        value = call.head.headers.get(name)
        if value is None or not words.compiled.match(value):
            return Unmet(f"is for requests whose {name} is {_either(words.patterns)} only")
    if when.hours is not None and not _is_within(when.hours, now_s):
        return Unmet(f"is asked {when.hours.text} only", is_passing=True)
    if when.budget_left is not None and (reason := _wrong_budget(call, when.budget_left)):
        return Unmet(reason, is_passing=True)
    return None


def _speaks(call: Call, languages: tuple[str, ...]) -> bool:
    """A language without a region takes in all regions, and every way to write it: de, deu, german, de-AT."""
    asked = call.body.language if isinstance(call.body, Speech | Recording) else None
    if not asked:
        return False
    plain = asked.strip().lower().replace("_", "-")
    return any(
        plain == language
        or plain.startswith(f"{language}-")
        or ("-" not in language and english_name(plain) == english_name(language))
        for language in languages
    )


def _wrong_size(call: Call, size: Size) -> str | None:
    amount = _amount(call, size)
    if amount is not None and size.least <= amount <= size.most:
        return None
    what = _SIZES[size.unit]
    has = "which are not known of this" if amount is None else f"this has {amount:g}"
    if amount is None or amount < size.least:
        return f"is for at least {size.least:g} {what}, {has}"
    return f"is for at most {size.most:g} {what}, {has}"


def _amount(call: Call, size: Size) -> float | None:
    match size.unit, call.body:
        case "input_tokens", _:
            given = input_of(call)
            return None if given is None else given.tokens()
        case "chars", Speech(text=text):
            return len(text)
        case "audio_s", Recording(duration_s=duration_s):
            return duration_s
        case _:
            return None


def _wrong_tag(call: Call, wanted: tuple[tuple[str, Words], ...]) -> str | None:
    tags: Mapping[str, str] = json.loads(call.client.tags.encode())
    for name, words in wanted:
        value = tags.get(name)
        if value is None or not words.compiled.match(value):
            return f"is for keys with the tag {name}: {_either(words.patterns)} only"
    return None


def _is_within(hours: Hours, now_s: float) -> bool:
    now = datetime.fromtimestamp(now_s, hours.zone)
    minute = now.hour * 60 + now.minute
    if hours.from_min < hours.to_min:
        return now.weekday() in hours.days and hours.from_min <= minute < hours.to_min
    if minute >= hours.from_min:
        return now.weekday() in hours.days
    return minute < hours.to_min and (now.date() - timedelta(days=1)).weekday() in hours.days


def _wrong_budget(call: Call, wanted: BudgetLeft) -> str | None:
    left_percent = 100.0
    for claim, state in call.receipt.limits:
        meter = claim.meter
        if meter.kind == "money" and meter.limit.name == wanted.limit:
            share = 100 * state.left / meter.amount if meter.amount else 0.0
            left_percent = min(left_percent, share)
    if left_percent < wanted.least_percent:
        return f"is asked while at least {wanted.least_percent:g} % of the budget '{wanted.limit}' is left"
    if left_percent > wanted.most_percent:
        return f"is asked once at most {wanted.most_percent:g} % of the budget '{wanted.limit}' is left"
    return None


def _listed(names: frozenset[str] | frozenset[object]) -> str:
    return ", ".join(sorted(str(name) for name in names))


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)

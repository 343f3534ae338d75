"""On which terms a key is given: its limits and tags, as the JSON that the table keeps and as what it stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gateway import json
from gateway.config.quantities import UNITS, budget, rate
from gateway.stores.database.work import sound_text
from gateway.types import Budget, Limit, Rate

T = TypeVar("T", Rate, Budget)

NOTHING = "{}"
LIMIT_NAME = "key"  # of every stored key's limit, so that equal ones are one: its counters are each key's own
MAX_TAGS = 16
MAX_TAG_CHARS = 256

_TAG_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class TermFault(Exception):
    """What is wrong with a part of the terms: `field` is its name, "" for all of them."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}".lstrip())
        self.field = field


def write_limits(given: Mapping[str, Any]) -> str:
    """Return limits, a mapping as in YAML whose types are right, as the table keeps them. Raises TermFault."""
    kept: dict[str, Any] = {}
    for name, _, _ in UNITS:
        kept |= _texts(name, given.get(name), rate, lambda found: found.window_s)
    if given.get("concurrent") is not None:
        kept["concurrent"] = int(given["concurrent"])
    kept |= _texts("budget", given.get("budget"), budget, lambda found: found.period)
    if not kept and given:
        raise TermFault("", "limits nothing; give requests, tokens, characters, audio_seconds, concurrent or a budget")
    if given.get("alert_percents"):
        kept["alert_percents"] = sorted({int(percent) for percent in given["alert_percents"]})
    if given.get("while_away", "local_share") != "local_share":
        kept["while_away"] = given["while_away"]
    return json.dumps(kept).decode()


def limits_of(text: str) -> tuple[Limit, ...]:
    """Return what `write_limits` has written as limits."""
    if text == NOTHING:
        return ()
    kept = json.loads(text)
    rates = [(unit, rate(said), scale) for name, unit, scale in UNITS for said in _each(kept.get(name))]
    limit = Limit(
        LIMIT_NAME,
        rates=tuple((unit, Rate(found.amount * scale, found.window_s)) for unit, found, scale in rates),
        concurrent=kept.get("concurrent"),
        budgets=tuple(budget(said) for said in _each(kept.get("budget"))),
        while_away=kept.get("while_away", "local_share"),
        alert_percents=tuple(kept.get("alert_percents", ())),
    )
    return (limit,)


def write_tags(given: Mapping[str, str]) -> str:
    """Return tags as the table and the ledger keep them. Raises TermFault."""
    if len(given) > MAX_TAGS:
        raise TermFault("", f"has {len(given)} tags; {MAX_TAGS} are the most")
    for name, value in given.items():
        if not _TAG_NAME.fullmatch(name):
            raise TermFault(sound_text(name)[:70], "is no name of a tag: 1 to 64 letters, digits, '_', '.' and '-'")
        if len(value) > MAX_TAG_CHARS:
            raise TermFault(name, f"has {len(value)} characters; {MAX_TAG_CHARS} are the most")
    return json.dumps({name: sound_text(given[name]) for name in sorted(given)}).decode()


def _texts(
    name: str, given: str | list[str] | None, read: Callable[[str], T], window_of: Callable[[T], Any]
) -> dict[str, Any]:
    """Return the field as it is kept: one text, or a list. Two for one window would count twice in one counter."""
    texts = [text.strip() for text in _each(given)]
    seen: dict[Any, str] = {}
    for text in texts:
        try:
            window = window_of(read(text))
        except ValueError as error:
            raise TermFault(name, f"is {text[:60]!r}, which {error}") from error
        if window in seen:
            raise TermFault(name, f"is given twice for the same time: {seen[window]!r} and {text[:60]!r}")
        seen[window] = text
    return {name: texts[0] if len(texts) == 1 else texts} if texts else {}


def _each(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())

"""How limits and tags are written in one word each: `requests=60/minute`, `team=voice`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.config.names import unknown
from gateway.config.quantities import UNITS
from gateway.stores.keys.terms import TermFault

AWAY = ("closed", "local_share", "open")
MAX_CONCURRENT = 1_000_000  # as in routes.yaml

_LISTED = (*(name for name, _, _ in UNITS), "budget")
_FIELDS = (*_LISTED, "concurrent", "alert_percents", "while_away")


def limits_from(words: Iterable[str]) -> dict[str, Any]:
    """Return the mapping that `requests=60/minute`, `concurrent=5` … stand for. Raises TermFault."""
    found: dict[str, Any] = {}
    for word in words:
        name, value = _split(word, "requests=60/minute")
        if name not in _FIELDS:
            raise TermFault(name[:60], f"is no limit{unknown(name[:60], _FIELDS)}")
        if name in _LISTED:
            found.setdefault(name, []).append(value)
        elif name == "alert_percents":
            found.setdefault(name, []).append(_number(name, value, 1, 100))
        elif name in found:
            raise TermFault(name, "is given twice")
        else:
            found[name] = _number(name, value, 0, MAX_CONCURRENT) if name == "concurrent" else _away(value)
    return found


def tags_from(words: Iterable[str]) -> dict[str, str]:
    """Return the tags that `team=voice` … stand for. Raises TermFault."""
    found: dict[str, str] = {}
    for word in words:
        name, value = _split(word, "team=voice")
        if name in found:
            raise TermFault(name[:60], "is given twice")
        found[name] = value
    return found


def _split(word: str, example: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise TermFault("", f"{word[:60]!r} is not name=value; write {example}")
    return name.strip(), value.strip()


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise TermFault(name, f"is {text[:60]!r}, which is no whole number from {least} to {most}")
    return int(text)


def _away(text: str) -> str:
    if text not in AWAY:
        raise TermFault("while_away", f"is {text[:60]!r}; it is one of {', '.join(AWAY)}")
    return text

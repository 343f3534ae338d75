"""Values of foreign JSON, read with their types checked: what is not the vendor's own format is malformed.

What only counts or describes reads as nothing where it is odd: an answer is not refused for its bookkeeping.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import UpstreamMalformed

_NUMBERS = frozenset({int, float})
MAX_NUMBER = 1e12  # no token count, second or index is near it


def mapping(value: Any, name: str) -> dict[str, Any]:
    """Return an object, empty where it is absent or null. Raises UpstreamMalformed."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UpstreamMalformed(f"'{name}' of the vendor's answer is not an object")
    return value


def objects(value: Any, name: str) -> list[dict[str, Any]]:
    """Return a list of objects, empty where it is absent or null. Raises UpstreamMalformed."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UpstreamMalformed(f"'{name}' of the vendor's answer is not a list of objects")
    return value


def numbers(value: list[Any], name: str) -> list[float]:
    """Return a list of numbers. Raises UpstreamMalformed."""
    if not _NUMBERS.issuperset(map(type, value)):
        raise UpstreamMalformed(f"'{name}' of the vendor's answer is not a list of numbers")
    return value


def text(value: Any, name: str) -> str:
    """Return a text, empty where it is absent or null. Raises UpstreamMalformed."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UpstreamMalformed(f"'{name}' of the vendor's answer is not a text")
    return value


def word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def bookkeeping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def count(value: Any) -> int:
    return value if type(value) is int and 0 <= value <= MAX_NUMBER else int(number(value))


def number(value: Any) -> float:
    return value if type(value) in _NUMBERS and 0 <= value <= MAX_NUMBER else 0

"""The options of Deepgram's requests, which all stand in the query; every complaint names its field."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self
from urllib.parse import parse_qsl

from gateway.config.names import unknown
from gateway.errors import InvalidRequest
from gateway.types import Head

CREDENTIAL = "key"  # a client's key may come as ?key=
_BOOLEANS = {"true": True, "false": False}


class Query:
    """Fields by name, each as often as it was given."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values

    @classmethod
    def read(cls, head: Head, known: Collection[str]) -> Self:
        """Return the query of a request that has none but `known` fields. Raises InvalidRequest."""
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(head.raw_query, keep_blank_values=True):
            if name == CREDENTIAL:
                continue
            if name not in known:
                raise InvalidRequest(f"'{name[:60]}' is not known here{unknown(name[:60], known)}", param=name[:60])
            values.setdefault(name, []).append(value)
        return cls(values)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for value in self._values.get(name, ()) if value)

    def text(self, name: str, choices: Collection[str] = ()) -> str | None:
        given = self._values.get(name, [])
        if len(given) > 1:
            raise InvalidRequest(f"'{name}' is given {len(given)} times; give it once", param=name)
        if not given or not given[0]:
            return None
        if choices and given[0] not in choices:
            raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is {given[0][:60]!r}", param=name)
        return given[0]

    def boolean(self, name: str) -> bool:
        text = self.text(name)
        if text is None:
            return False
        if text.lower() not in _BOOLEANS:
            raise InvalidRequest(f"'{name}' must be true or false; it is {text[:60]!r}", param=name)
        return _BOOLEANS[text.lower()]

    def number(self, name: str, low: float, high: float) -> float | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise InvalidRequest(f"'{name}' must be a number from {low:g} to {high:g}; it is {text[:60]!r}", param=name)
        return number

    def is_asked(self, name: str) -> bool:
        """Return whether a field says something other than that nothing is asked for."""
        return any(value.lower() != "false" for value in self.all(name))

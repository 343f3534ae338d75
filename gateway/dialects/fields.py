"""Read fields of a client's JSON with their types checked; every complaint names the field and what it should be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from gateway import json
from gateway.errors import InvalidRequest

MAX_SAFE_INT = 2**63 - 1
MAX_PATH_CHARS = 200  # a client chooses some of the names, and an error shows them twice


def parse_object(body: bytes) -> Fields:
    """Return the fields of a body that must be a JSON object."""
    if not body:
        raise InvalidRequest("the body is empty; send a JSON object")
    try:
        value = json.loads(body)
    except ValueError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRequest(f"the body must be a JSON object, not {kind(value)}")
    return Fields(value)


class Fields:
    """A JSON object at `path` within the body. A field that is absent or null reads as None unless it is required."""

    __slots__ = ("_path", "raw")

    def __init__(self, raw: dict[str, Any], path: str = "") -> None:
        self.raw = raw
        self._path = path

    def path(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def error(self, key: str, message: str) -> InvalidRequest:
        path = self.path(key)
        if len(path) > MAX_PATH_CHARS:
            path = path[:MAX_PATH_CHARS] + "…"
        return InvalidRequest(f"'{path}' {message}", param=path)

    def require(self, key: str) -> Any:
        value = self.raw.get(key)
        if value is None:
            raise self.error(key, "is required")
        return value

    def string(self, key: str, *, choices: Sequence[str] = ()) -> str | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(key, f"must be a string, not {kind(value)}")
        if choices and value not in choices:
            raise self.error(key, f"must be one of {', '.join(choices)}; it is {shown(value)}")
        return value

    def required_string(self, key: str) -> str:
        self.require(key)
        value = self.string(key)
        assert value is not None
        return value

    def boolean(self, key: str) -> bool | None:
        value = self.raw.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.error(key, f"must be true or false, not {kind(value)}")

    def number(self, key: str, low: float, high: float) -> float | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.error(key, f"must be a number, not {kind(value)}")
        if not low <= value <= high:
            raise self.error(key, f"must be from {low:g} to {high:g}; it is {value:g}")
        return value

    def integer(self, key: str, low: int, high: int = MAX_SAFE_INT) -> int | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, f"must be a whole number, not {kind(value)}")
        if not low <= value <= high:
            raise self.error(key, f"must be from {low} to {high}; it is {value}")
        return value

    def object(self, key: str) -> Self | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(key, f"must be an object, not {kind(value)}")
        return type(self)(value, self.path(key))

    def array(self, key: str, *, low: int = 0, high: int = 100_000) -> list[Any] | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.error(key, f"must be an array, not {kind(value)}")
        if len(value) < low:
            raise self.error(key, f"must have at least {low} item{'s' * (low != 1)}; it has {len(value)}")
        if len(value) > high:
            raise self.error(key, f"must have at most {high} items; it has {len(value)}")
        return value

    def objects(self, key: str, *, low: int = 0, high: int = 100_000) -> Iterator[Self]:
        """Yield the items of an array that must all be objects; nothing where the field is absent."""
        for index, value in enumerate(self.array(key, low=low, high=high) or ()):
            if not isinstance(value, dict):
                raise self.error(f"{key}[{index}]", f"must be an object, not {kind(value)}")
            yield type(self)(value, self.path(f"{key}[{index}]"))

    def strings(self, key: str, *, high: int = 100_000) -> tuple[str, ...]:
        """Return an array of strings, or one string as an array of it; () where the field is absent."""
        if isinstance(self.raw.get(key), str):
            return (self.raw[key],)
        values = self.array(key, high=high) or []
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self.error(f"{key}[{index}]", f"must be a string, not {kind(value)}")
        return tuple(values)

    def rest(self, known: frozenset[str]) -> dict[str, Any]:
        """Return the fields that are not in `known`."""
        return {key: value for key, value in self.raw.items() if key not in known}


def kind(value: Any) -> str:
    """Return JSON's word for the type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"


def shown(text: str) -> str:
    """Return a client's text as it may stand in a message: short and on one line."""
    return repr(text if len(text) <= 60 else text[:60] + "…")

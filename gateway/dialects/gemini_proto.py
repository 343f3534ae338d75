"""Fields of a Google API's JSON: proto JSON takes camelCase and snake_case, enums as numbers, numbers as strings.

The official client mixes the spellings itself (vendors.md 3.1, seen in google-genai 3.4.0 on 2026-11-23).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from gateway.dialects.fields import MAX_SAFE_INT, Fields, parse_object
from gateway.errors import NotFound
from gateway.types import Head

VERSIONS = ("v1", "v1beta", "v1alpha")

_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


class Proto(Fields):
    """A message of Google's; the keys of `raw` are camelCase, those below it are as they were sent."""

    __slots__ = ()

    def __init__(self, raw: dict[str, Any], path: str = "") -> None:
        super().__init__({camel(key): value for key, value in raw.items()}, path)

    def number(self, key: str, low: float, high: float) -> float | None:
        self._unquote(key)
        return super().number(key, low, high)

    def integer(self, key: str, low: int, high: int = MAX_SAFE_INT) -> int | None:
        self._unquote(key)
        value = self.raw.get(key)
        if isinstance(value, float) and value.is_integer():
            self.raw[key] = int(value)
        return super().integer(key, low, high)

    def enum(self, key: str, names: Sequence[str]) -> str | None:
        """Return the name of an enum's value, which may be given by its place in `names` or in lower case."""
        value = self.raw.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
            return names[value]
        return self.word(key, names)

    def word(self, key: str, names: Sequence[str]) -> str | None:
        """Return the name of an enum's value, which may be given in lower case."""
        value = self.raw.get(key)
        if isinstance(value, str):
            self.raw[key] = value.upper()
        return self.string(key, choices=names)

    def base64(self, key: str) -> str:
        """Return required bytes in the common alphabet; the official client sends the one for URLs."""
        return self.required_string(key).replace("-", "+").replace("_", "/")

    def _unquote(self, key: str) -> None:
        value = self.raw.get(key)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            self.raw[key] = float(value) if set(value) & set(".eE") else int(value)


def parse_message(body: bytes) -> Proto:
    """Return the fields of a body. Raises InvalidRequest."""
    return Proto(parse_object(body).raw)


def model_of(head: Head) -> str:
    """Return the model that the path names. Raises NotFound for a version of the API that there is not."""
    version = head.params.get("version")
    if version is not None and version not in VERSIONS:
        raise NotFound(f"there is no API version {version[:40]!r} here; it is one of {', '.join(VERSIONS)}")
    return head.params.get("model", "")


@lru_cache(maxsize=1024)  # a client's own keys come by here as well: bounded
def camel(key: str) -> str:
    """Return `systemInstruction` for `system_instruction`."""
    if "_" not in key:
        return key
    first, *rest = key.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)

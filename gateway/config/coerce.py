"""What was substituted is text; where the schema asks for a number, a boolean or a word, it becomes that."""

from __future__ import annotations

import math
import re
from typing import Any

from gateway.config.document import Document, Path
from gateway.config.subschemas import Schema, Subschemas

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:e[+-]?[0-9]{1,4})?", re.ASCII)


def coerce(document: Document, schema: Schema, at: Path = ()) -> None:
    """Change the substituted values at or below `at` in place; what does not fit stays text, and `check` says so."""
    asked = Subschemas(schema)
    for path in document.texts:
        if path[: len(at)] != at:
            continue
        parent = document.value
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = _coerced(parent[path[-1]], asked.at(path[len(at) :]))


def _coerced(text: str, asked: tuple[Schema, ...]) -> Any:
    folded = text.strip().casefold()
    types: set[str] = set()
    for schema in asked:
        said = schema.get("type", ())
        types |= {said} if isinstance(said, str) else set(said)
        for word in (*schema.get("enum", ()), schema.get("const")):
            if isinstance(word, str) and word.casefold() == folded:
                return word
    if "boolean" in types and folded in (*YES, *NO):
        return folded in YES
    if types & {"integer", "number"} and _NUMBER.fullmatch(folded):
        number = float(folded)
        if number.is_integer() and abs(number) < 2**53:
            return int(number)
        if "number" in types and math.isfinite(number):
            return number
    if "null" in types and "string" not in types and not folded:
        return None
    return text

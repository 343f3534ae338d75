"""Make a valid instance of a JSON Schema: candidates are proposed, likely ones first, and the first valid one is taken.

What is returned has been checked against the schema; where nothing fits, it is refused with the place and the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain, count, islice
from typing import Any

from .combine import OPTIONAL_DEPTH, ways
from .patterns import TooHard, parse, sample
from .schema import MAX_DEPTH, CannotMake, Document, Schema, is_number, is_valid, member_schemas, same

MAX_CANDIDATES = 64  # for one place in one way; beyond, the next way is tried
MAX_STRING_CHARS = 10_000
MAX_ITEMS = 1000

_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_HINTS = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_FORMATS = {
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT1M",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance(schema: Mapping[str, Any]) -> Any:
    """Return a valid instance; strings without further rules are named for their place. Raises CannotMake."""
    try:
        return next(_valid(schema, Document(schema), ("text",)))
    except CannotMake:
        raise
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise CannotMake(f"the schema is not valid JSON Schema: {error}") from error


def _valid(schema: Any, document: Document, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield valid instances. The first failure to make any is raised once nothing was found."""
    if len(path) > MAX_DEPTH:
        raise CannotMake(f"the schema nests more than {MAX_DEPTH} deep at '{_place(path)}'")
    failure: CannotMake | None = None
    made = 0
    for flat in ways(schema, document, len(path)):
        try:
            for value in islice(_candidates(flat, document, path), MAX_CANDIDATES):
                if is_valid(value, schema, document):
                    made += 1
                    yield value
        except CannotMake as error:
            document.spend()
            failure = failure or error
    if not made:
        raise failure or CannotMake(f"the sandbox finds no instance for '{_place(path)}'; simplify its schema")


def _place(path: tuple[str, ...]) -> str:
    return ".".join(path[1:]) or "the whole"


def _candidates(schema: Mapping[str, Any], document: Document, path: tuple[str, ...]) -> Iterator[Any]:
    if "const" in schema:
        yield schema["const"]
        return
    if "enum" in schema:
        yield from schema["enum"]
        return
    yield from (schema[key] for key in ("default",) if key in schema)
    yield from schema.get("examples", ())[:3]
    for name in _types(schema):
        if name == "object":
            yield from _objects(schema, document, path)
        elif name == "array":
            yield from _arrays(schema, document, path)
        elif name == "string":
            yield from islice(_strings(schema, path), MAX_CANDIDATES // 2)
        elif name in ("number", "integer"):
            yield from islice(_numbers(schema, name == "integer"), MAX_CANDIDATES // 2)
        else:
            yield from {"boolean": (True, False), "null": (None,)}[name]


def _types(schema: Mapping[str, Any]) -> Sequence[str]:
    names = schema.get("type")
    if names is not None:
        return [name for name in ([names] if isinstance(names, str) else names) if name in _TYPES]
    hinted = [name for name, keys in _HINTS.items() if any(key in schema for key in keys)]
    return [
        *hinted,
        *(name for name in ("string", "integer", "boolean", "null", "object", "array") if name not in hinted),
    ]


def _objects(schema: Mapping[str, Any], document: Document, path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield everything that is declared, then only what must be, then variations of the first."""
    most = schema.get("maxProperties", math.inf)
    required = list(dict.fromkeys(schema.get("required", ())))
    optional = (
        [key for key in schema.get("properties", {}) if key not in required] if len(path) <= OPTIONAL_DEPTH else []
    )
    for variation in range(MAX_CANDIDATES // 2):
        value = {key: _member(schema, key, document, path, variation) for key in required}
        for key in optional if variation != 1 else ():
            if len(value) < most and document.is_easy:
                try:
                    value[key] = _member(schema, key, document, path, variation)
                except CannotMake:
                    continue  # it may be left out
        for key in _further_names(schema, value):
            value[key] = _member(schema, key, document, path, variation)
        yield value


def _member(schema: Mapping[str, Any], key: str, document: Document, path: tuple[str, ...], variation: int) -> Any:
    inners = member_schemas(schema, key)
    values = _valid(inners[0] if len(inners) == 1 else {"allOf": inners}, document, (*path, key))
    first = next(values)
    return next(islice(values, variation - 2, None), first) if variation > 1 else first


def _further_names(schema: Mapping[str, Any], value: Mapping[str, Any]) -> Iterator[str]:
    """Yield names until the object has as many members as it must."""
    needed: list[str] = [
        name for key, names in schema.get("dependentRequired", {}).items() if key in value for name in names
    ]
    yield from (name for name in needed if name not in value)
    patterns = list(schema.get("patternProperties", {})) if schema.get("additionalProperties") is False else []
    made: Iterator[str] = (f"extra_{number}" for number in count(1))
    if patterns:
        made = (_sample(patterns[0], extra) for extra in range(MAX_CANDIDATES))
    least = min(schema.get("minProperties", 0), MAX_ITEMS)
    while len(value) < least:
        name = next(made, None)
        if name is None:
            return
        if name not in value:
            yield name


def _arrays(schema: Mapping[str, Any], document: Document, path: tuple[str, ...]) -> Iterator[list[Any]]:
    first: Sequence[Schema] = schema.get("prefixItems", ())
    least = schema.get("minItems", 0)
    if least > MAX_ITEMS:
        raise CannotMake(f"'{_place(path)}' has at least {least} items; the sandbox makes at most {MAX_ITEMS}")
    wanted = max(least, len(first), 1) if len(path) <= OPTIONAL_DEPTH else least
    for size in dict.fromkeys((min(wanted, schema.get("maxItems", wanted)), least)):
        items: list[Any] = []
        try:
            while len(items) < size:
                inner = first[len(items)] if len(items) < len(first) else schema.get("items", True)
                items.append(_item(inner, items if schema.get("uniqueItems") else (), document, path))
        except CannotMake:
            if size == least:
                raise
            continue  # fewer items may do
        yield items
    if least == 0 or schema.get("uniqueItems"):
        return
    for value in islice(_valid(schema.get("items", True), document, (*path, "item")), 1, MAX_CANDIDATES // 2):
        yield [value] * least


def _item(schema: Any, others: Sequence[Any], document: Document, path: tuple[str, ...]) -> Any:
    for value in _valid(schema, document, (*path, "item")):
        if not any(same(value, other) for other in others):
            return value
    raise CannotMake(f"'{_place(path)}' wants more different items than the sandbox can make")


def _strings(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    least = schema.get("minLength", 0)
    most = schema.get("maxLength", MAX_STRING_CHARS)
    if least > MAX_STRING_CHARS:
        raise CannotMake(
            f"'{_place(path)}' has at least {least} characters; the sandbox makes at most {MAX_STRING_CHARS}"
        )
    if "pattern" in schema:
        missing = least - len(_sample(schema["pattern"], 0))
        shares = (-(-missing // parts) for parts in (1, 2, 3, 4, 5, 6) if missing > 0)  # between several repetitions
        yield from (_sample(schema["pattern"], extra) for extra in dict.fromkeys((0, 1, 2, *shares)))
        return
    if schema.get("format") in _FORMATS:
        yield _FORMATS[schema["format"]]
    for number in chain([""], count(2)):
        text = f"{path[-1]}{number}"
        if len(text) > most:
            text = f"{number}"[:most] if number else text[:most]
        yield text + "." * (least - len(text))


def _sample(pattern: str, extra: int) -> str:
    try:
        return sample(parse(pattern), extra)
    except TooHard as error:
        raise CannotMake(f"the sandbox does not know {error}") from error


def _numbers(schema: Mapping[str, Any], is_whole: bool) -> Iterator[int | float]:
    """Yield 1 or what is nearest to it within the bounds, then its neighbours on both sides."""
    step = Fraction(str(schema.get("multipleOf", 1)))
    if is_whole and step.denominator > 1:
        step = Fraction(step.numerator)
    lows = [Fraction(str(schema[key])) for key in ("minimum", "exclusiveMinimum") if is_number(schema.get(key))]
    highs = [Fraction(str(schema[key])) for key in ("maximum", "exclusiveMaximum") if is_number(schema.get(key))]
    low, high = max(lows, default=None), min(highs, default=None)
    anchor = Fraction(1)
    if high is not None:
        anchor = min(anchor, high)
    if low is not None:
        anchor = max(anchor, low)
    start = math.ceil(anchor / step) * step
    if not is_whole and "multipleOf" not in schema and low is not None and high is not None:
        yield from (_plain(low), _plain((low + high) / 2))
    for distance in count():
        yield _plain(start + distance * step)
        if distance:
            yield _plain(start - distance * step)


def _plain(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 and abs(number) < 2**53 else float(number)

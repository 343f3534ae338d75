"""Take a JSON Schema apart into flat ones, without references and branches, any of which may lead to an instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .schema import MAX_DEPTH, CannotMake, Document, as_schema, same

OPTIONAL_DEPTH = 3  # deeper, only what is required and plain: schemas may contain themselves

_LOW_BOUNDS = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_HIGH_BOUNDS = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


def ways(schema: Any, document: Document, depth: int, hops: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield schemas without $ref, allOf, anyOf, oneOf, any one of which may lead to an instance."""
    document.spend()
    schema = as_schema(schema)
    if schema is False:
        return
    if schema is True:
        yield {}
        return
    if hops > MAX_DEPTH:
        raise CannotMake("a $ref leads to itself")
    groups: list[list[Any]] = [[inner] for inner in schema.get("allOf", ())]
    if "$ref" in schema:
        groups.append([document.resolve(str(schema["$ref"]))])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            groups.append(sorted(schema[key], key=_mentions_ref) if depth > OPTIONAL_DEPTH else list(schema[key]))
    if "if" in schema:
        groups.append([{"allOf": [schema["if"], schema.get("then", True)]}, schema.get("else", True)])
    base = {key: value for key, value in schema.items() if key not in ("allOf", "$ref", "anyOf", "oneOf", "if")}
    yield from _combined(base, groups, document, (depth, hops + 1))


def _combined(
    base: Mapping[str, Any], groups: Sequence[list[Any]], document: Document, where: tuple[int, int]
) -> Iterator[Mapping[str, Any]]:
    if not groups:
        yield base
        return
    for option in groups[0]:
        for flat in ways(option, document, *where):
            merged = _merge(base, flat, document)
            if merged is not None:
                yield from _combined(merged, groups[1:], document, where)


def _mentions_ref(schema: Any) -> bool:
    return isinstance(schema, Mapping) and ("$ref" in schema or "items" in schema or "properties" in schema)


def _merge(one: Mapping[str, Any], other: Mapping[str, Any], document: Document) -> Mapping[str, Any] | None:
    """Return a schema for what fits both, None where nothing does. It may be too wide: candidates are checked."""
    merged = dict(one)
    document.spend(len(one.get("enum", ())) * len(other.get("enum", ())))
    document.spend(len(one.get("properties", ())) + len(one.get("required", ())))
    for key, value in other.items():
        if key not in merged:
            merged[key] = value
        elif key == "type":
            merged[key] = _common_types(merged[key], value)
            if not merged[key]:
                return None
        elif key == "enum":
            merged[key] = [option for option in merged[key] if any(same(option, kept) for kept in value)]
        elif key == "const" and not same(merged[key], value):
            return None
        elif key == "required":
            merged[key] = [*merged[key], *value]
        elif key in ("properties", "patternProperties"):
            shared = {name: {"allOf": [merged[key][name], value[name]]} for name in merged[key].keys() & value.keys()}
            merged[key] = {**merged[key], **value, **shared}
        elif key in ("items", "additionalProperties", "propertyNames"):
            merged[key] = {"allOf": [merged[key], value]}
        elif key in _LOW_BOUNDS:
            merged[key] = max(merged[key], value)
        elif key in _HIGH_BOUNDS:
            merged[key] = min(merged[key], value)
        elif key == "uniqueItems":
            merged[key] = merged[key] or value
    return merged


def _common_types(one: Any, other: Any) -> list[str]:
    first, second = ([names] if isinstance(names, str) else names for names in (one, other))
    both = [name for name in first if name in second]
    is_integer = ("integer" in first and "number" in second) or ("number" in first and "integer" in second)
    return both + ["integer"] * (is_integer and "integer" not in both)

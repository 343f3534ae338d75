"""Google's own schemas, a subset of OpenAPI's with upper-case types, as the JSON Schema that everybody else takes.

Which keys there are: vendors.md 3, from google-ai-generativelanguage 0.12.1, 2026-11-23.
"""

from __future__ import annotations

from typing import Any

from gateway.dialects.gemini_proto import Proto

TYPES = ("TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")

_MAX_DEPTH = 64  # Google's own limit for nesting is lower
_PLAIN = ("title", "description", "default", "format", "pattern", "required", "enum")
_COUNTS = ("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength")


def json_schema(schema: Proto, depth: int = 0) -> dict[str, Any]:
    """Return the JSON Schema that means the same. Raises InvalidRequest naming the field."""
    if depth > _MAX_DEPTH:
        raise schema.error("items", f"is nested deeper than {_MAX_DEPTH}")
    written: dict[str, Any] = {key: schema.raw[key] for key in _PLAIN if schema.raw.get(key) is not None}
    written |= {key: count for key in _COUNTS if (count := schema.integer(key, 0)) is not None}
    for key in ("minimum", "maximum"):
        bound = schema.number(key, float("-inf"), float("inf"))
        written |= {} if bound is None else {key: bound}
    if schema.object("properties") is not None:  # their names are the client's own, so they are not respelled
        written["properties"] = {
            name: json_schema(_named(schema, name, value), depth + 1)
            for name, value in schema.raw["properties"].items()
        }
    items = schema.object("items")
    if items is not None:
        written["items"] = json_schema(items, depth + 1)
    branches = [json_schema(branch, depth + 1) for branch in schema.objects("anyOf")]
    if branches:
        written["anyOf"] = branches
    return _typed(written, schema)


def _typed(written: dict[str, Any], schema: Proto) -> dict[str, Any]:
    kind = schema.enum("type", TYPES)
    is_nullable = bool(schema.boolean("nullable"))
    if kind in (None, TYPES[0]):
        return {"anyOf": [written, {"type": "null"}]} if is_nullable and written else written
    name = str(kind).lower()
    if is_nullable and isinstance(written.get("enum"), list):
        written["enum"] = [*written["enum"], None]
    return {"type": [name, "null"] if is_nullable else name, **written}


def _named(schema: Proto, name: str, value: Any) -> Proto:
    if not isinstance(value, dict):
        raise schema.error(f"properties.{name}", "must be an object")
    return Proto(value, schema.path(f"properties.{name}"))

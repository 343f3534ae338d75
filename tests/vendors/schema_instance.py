"""A deterministic valid instance of a JSON Schema, for structured answers and tool arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Strings of the formats that OpenAI's structured outputs document.
FORMAT_EXAMPLES = {
    "date-time": "2026-11-23T12:00:00Z",
    "date": "2026-11-23",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "sim@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def instance_of(schema: Mapping[str, Any] | bool, text: str) -> Any:
    """Return a value valid under `schema`, free strings being `text`; every property is present, optional or not.

    Recursion ends at references that are already open: there an optional property is left out and an array is empty.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return _instance(schema, root, text, frozenset({"#"}))


def _instance(schema: Any, root: Mapping[str, Any], text: str, open_refs: frozenset[str]) -> Any:
    if not isinstance(schema, Mapping):
        return text
    if "$ref" in schema:
        return _instance(_resolve(schema["$ref"], root), root, text, open_refs | {schema["$ref"]})
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            branches = [b for b in schema[key] if b.get("$ref") not in open_refs]
            return _instance((branches or schema[key])[0], root, text, open_refs)
    if schema.get("allOf"):
        return _instance(_merged(schema["allOf"], root), root, text, open_refs)
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    return _of_kind(kind, schema, root, text, open_refs)


def _of_kind(
    kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], text: str, open_refs: frozenset[str]
) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            required = schema.get("required", ())
            return {
                name: _instance(child, root, text, open_refs)
                for name, child in properties.items()
                if name in required or child.get("$ref") not in open_refs
            }
        case "array":
            items = schema.get("items", {})
            is_recursive = isinstance(items, Mapping) and items.get("$ref") in open_refs
            count = int(schema.get("minItems", 0 if is_recursive else 1))  # in a protobuf's Value it is a float
            return [_instance(items, root, text, open_refs) for _ in range(count)]
        case "integer" | "number":
            return _number(schema, is_integer=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
    return _string(schema, text)


def _number(schema: Mapping[str, Any], *, is_integer: bool) -> int | float:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum", min(1, schema.get("maximum", 1))))
    value = -(-low // step) * step
    if value == schema.get("exclusiveMinimum"):
        value += step
    if value >= schema.get("exclusiveMaximum", value + 1):
        value = schema["exclusiveMaximum"] - step
    return int(value) if is_integer else float(value)


def _string(schema: Mapping[str, Any], text: str) -> str:
    if schema.get("format") in FORMAT_EXAMPLES:
        return FORMAT_EXAMPLES[schema["format"]]
    padded = text.ljust(int(schema.get("minLength", 0)), ".")
    return padded[: int(schema.get("maxLength", len(padded)))]


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")] if part else node
    return node


def _merged(schemas: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for schema in schemas:
        resolved = _resolve(schema["$ref"], root) if "$ref" in schema else schema
        properties = {**merged.get("properties", {}), **resolved.get("properties", {})}
        merged = {**merged, **resolved} | ({"properties": properties} if properties else {})
    return merged

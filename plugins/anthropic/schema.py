"""A JSON Schema as Anthropic's structured outputs take it, by the rules of the official package's own helper.

Objects are closed, and what the API does not enforce (lengths, ranges, patterns) moves into the description, where the
model reads it. Source: `lib/_parse/_transform.py` of anthropic 2.12.0, 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import json
from gateway.errors import UnsupportedByTarget

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)  # of strings
_KEPT = ("title", "description", "$ref", "enum", "const")
_SILENT = frozenset({"$schema", "$id", "$comment"})  # say nothing about the value


def conform(schema: Mapping[str, Any], param: str) -> dict[str, Any]:
    """Return the schema as the API takes it. Raises UnsupportedByTarget where one of its nodes has no type."""
    rest = {key: value for key, value in schema.items() if key not in _SILENT}
    out: dict[str, Any] = {}
    for key in ("$defs", "definitions"):
        if isinstance(rest.get(key), Mapping):
            out[key] = {name: _child(child, param) for name, child in rest.pop(key).items()}
    out |= {key: rest.pop(key) for key in _KEPT if key in rest}
    if "$ref" in out:
        return out
    for key, name in (("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")):
        if isinstance(rest.get(key), list):
            out[name] = [_child(child, param) for child in rest.pop(key)]
    kind = rest.pop("type", "object" if "properties" in rest else None)
    if isinstance(kind, list):
        return conform({**schema, "type": kind[0]} if len(kind) == 1 else _either(schema, kind), param)
    if kind is None and not out.keys() & {"anyOf", "allOf", "enum", "const"}:
        raise UnsupportedByTarget(f"'{param}' has a part without a type, which cannot be answered for", param=param)
    if kind is not None:
        out["type"] = kind
    _of_kind(kind, rest, out, param)
    if rest:
        notes = "{" + ", ".join(f"{key}: {json.dumps(value).decode()}" for key, value in rest.items()) + "}"
        out["description"] = f"{out['description']}\n\n{notes}" if "description" in out else notes
    return out


def _of_kind(kind: str | None, rest: dict[str, Any], out: dict[str, Any], param: str) -> None:
    """Move what the API enforces for this type of value from `rest` to `out`."""
    if kind == "object":
        properties = rest.pop("properties", None) or {}
        out["properties"] = {name: _child(child, param) for name, child in properties.items()}
        out["additionalProperties"] = False
        if rest.get("additionalProperties") in (None, True, False):
            rest.pop("additionalProperties", None)
        if "required" in rest:
            out["required"] = rest.pop("required")
    elif kind == "array":
        if "items" in rest:
            out["items"] = _child(rest.pop("items"), param)
        if rest.get("minItems") in (0, 1):
            out["minItems"] = rest.pop("minItems")
    elif kind == "string" and rest.get("format") in _FORMATS:
        out["format"] = rest.pop("format")


def _child(schema: Any, param: str) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise UnsupportedByTarget(
            f"'{param}' has a part that allows anything, which cannot be answered for", param=param
        )
    return conform(schema, param)


def _either(schema: Mapping[str, Any], kinds: list[Any]) -> dict[str, Any]:
    """Write a value of several types as one of several values."""
    shared = {key: value for key, value in schema.items() if key in ("title", "description", "$defs", "definitions")}
    own = {key: value for key, value in schema.items() if key not in shared and key != "type"}
    return shared | {"anyOf": [({} if kind == "null" else own) | {"type": kind} for kind in kinds]}

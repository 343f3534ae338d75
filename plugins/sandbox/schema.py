"""JSON Schema 2020-12, as much as structured output and tools use: references, and whether a value is valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from .patterns import TooHard, found, parse

MAX_STEPS = 20_000  # a tenth of a second: a client's schema must not keep a processor busy
MAX_DEPTH = 48

# They assert something that is not checked here; an instance made without them might be invalid.
UNKNOWN_KEYWORDS = frozenset(
    {
        "$dynamicRef",
        "$recursiveRef",
        "contains",
        "dependencies",
        "dependentSchemas",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)

Schema = Mapping[str, Any] | bool


class CannotMake(ValueError):
    """There is no instance of the schema, or none that the sandbox can find; the message says where and why."""


class Document:
    """A whole schema: resolves references into it, and counts the work done with it."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._steps_left = MAX_STEPS

    def spend(self, comparisons: int = 0) -> None:
        """Count one step, and one more for every eight values compared. Raises CannotMake when there were too many."""
        self._steps_left -= 1 + comparisons // 8
        if self._steps_left < 0:
            raise CannotMake(f"the schema takes more than {MAX_STEPS} steps; simplify it")

    @property
    def is_easy(self) -> bool:
        """Whether most of the work that is allowed is still left."""
        return self._steps_left > MAX_STEPS * 3 // 4

    def resolve(self, reference: str) -> Schema:
        """Return what `#/…` points at. Raises CannotMake."""
        if reference != "#" and not reference.startswith("#/"):
            raise CannotMake(f"the $ref '{reference}' leads outside the schema; use #/$defs/…")
        found: Any = self._root
        for part in reference.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                raise CannotMake(f"the $ref '{reference}' leads nowhere")
        return as_schema(found)


def as_schema(value: Any) -> Schema:
    """Return `value` where it is a schema. Raises CannotMake."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, Mapping):
        raise CannotMake(f"a schema is an object or a boolean, not {value!r:.60}")
    unknown = sorted(UNKNOWN_KEYWORDS & value.keys())
    if unknown:
        raise CannotMake(f"the sandbox does not know the keyword '{unknown[0]}'")
    return value


def same(one: Any, other: Any) -> bool:
    """JSON's equality: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)


def is_valid(value: Any, schema: Schema, document: Document, depth: int = 0) -> bool:
    """Say whether `value` is an instance of `schema`. Raises CannotMake where that cannot be told."""
    document.spend()
    schema = as_schema(schema)
    if isinstance(schema, bool):
        return schema
    if depth > MAX_DEPTH:
        raise CannotMake(f"the schema nests more than {MAX_DEPTH} deep")
    document.spend(len(schema.get("enum", ())))
    if schema.get("uniqueItems") and isinstance(value, list):
        document.spend(len(value) ** 2)

    def holds(inner: Any, part: Any = value) -> bool:
        return is_valid(part, inner, document, depth + 1)

    return (
        _has_type(value, schema)
        and _is_listed(value, schema)
        and ("$ref" not in schema or holds(document.resolve(str(schema["$ref"]))))
        and all(holds(inner) for inner in schema.get("allOf", ()))
        and ("anyOf" not in schema or any(holds(inner) for inner in schema["anyOf"]))
        and ("oneOf" not in schema or sum(holds(inner) for inner in schema["oneOf"]) == 1)
        and ("not" not in schema or not holds(schema["not"]))
        and ("if" not in schema or holds(schema.get("then" if holds(schema["if"]) else "else", True)))
        and (not isinstance(value, str) or _is_valid_string(value, schema))
        and (not is_number(value) or _is_valid_number(value, schema))
        and (not isinstance(value, list) or _is_valid_array(value, schema, holds))
        and (not isinstance(value, dict) or _is_valid_object(value, schema, holds))
    )


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_type(value: Any, schema: Mapping[str, Any]) -> bool:
    names = schema.get("type")
    if names is None:
        return True
    return any(_IS_TYPE[name](value) for name in ([names] if isinstance(names, str) else names))


_IS_TYPE: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and value == int(value),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _is_listed(value: Any, schema: Mapping[str, Any]) -> bool:
    if "const" in schema and not same(value, schema["const"]):
        return False
    return "enum" not in schema or any(same(value, option) for option in schema["enum"])


def _is_valid_string(value: str, schema: Mapping[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        return False
    if "pattern" not in schema:
        return True
    try:
        return found(parse(schema["pattern"]), value)
    except TooHard as error:
        raise CannotMake(f"the sandbox does not know {error}") from error


def _is_valid_number(value: float, schema: Mapping[str, Any]) -> bool:
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and ("multipleOf" not in schema or Fraction(str(value)) % Fraction(str(schema["multipleOf"])) == 0)
    )


def _is_valid_array(value: list[Any], schema: Mapping[str, Any], holds: Callable[[Any, Any], bool]) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    if schema.get("uniqueItems") and any(same(one, other) for at, one in enumerate(value) for other in value[:at]):
        return False
    first = schema.get("prefixItems", [])
    rest = schema.get("items", True)
    return all(holds(first[at] if at < len(first) else rest, item) for at, item in enumerate(value))


def _is_valid_object(value: dict[str, Any], schema: Mapping[str, Any], holds: Callable[[Any, Any], bool]) -> bool:
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        return False
    needed = {*schema.get("required", ())}
    for key, others in schema.get("dependentRequired", {}).items():
        needed.update(others if key in value else ())
    if not needed <= value.keys() or not all(holds(schema.get("propertyNames", True), key) for key in value):
        return False
    return all(holds(inner, item) for key, item in value.items() for inner in member_schemas(schema, key))


def member_schemas(schema: Mapping[str, Any], key: str) -> list[Any]:
    """Return every schema that the member `key` of an object must fit. Raises CannotMake."""
    try:
        inners = [inner for pattern, inner in schema.get("patternProperties", {}).items() if found(parse(pattern), key)]
    except TooHard as error:
        raise CannotMake(f"the sandbox does not know {error}") from error
    if key in schema.get("properties", {}):
        inners.append(schema["properties"][key])
    return inners or [schema.get("additionalProperties", True)]

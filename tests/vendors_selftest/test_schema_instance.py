"""tests/vendors/schema_instance.py: what it makes is valid under the schema it was made for."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.vendors.schema_instance import instance_of

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["name", "children", "next"],
            "additionalProperties": False,
        }
    },
}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 3},
        {"type": "string", "minLength": 30},
        {"type": "string", "format": "date-time"},
        {"enum": ["b", "a"]},
        {"const": 7},
        {"type": ["null", "string"]},
        {"type": "integer", "minimum": 5, "multipleOf": 4},
        {"type": "integer", "exclusiveMinimum": 5},
        {"type": "number", "exclusiveMaximum": 0},
        {"type": "number", "maximum": -2},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
        {"type": "array", "items": {"type": "string", "minLength": 20.0, "maxLength": 30.0}, "minItems": 3.0},
        {"type": "object", "properties": {"next": {"$ref": "#"}, "name": {"type": "string"}}, "required": ["name"]},
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"enum": ["x"]}}, "required": ["a"]},
        {"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "null"}}}]},
        TREE,
    ],
)
def test_instances_are_valid(schema: dict[str, Any]) -> None:
    instance = instance_of(schema, "some text")
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(instance)


def test_free_strings_carry_the_text() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert instance_of(schema, "Paris") == {"city": "Paris"}

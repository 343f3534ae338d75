"""The schemas that may hold at a path, and what a substituted text becomes by them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.coerce import coerce
from gateway.config.document import Document, Path
from gateway.config.subschemas import Subschemas

WHOLE = {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (WHOLE, ()),
        ({"properties": {"a": WHOLE}, "additionalProperties": {"type": "string"}}, ("a",)),
        ({"additionalProperties": WHOLE}, ("a",)),
        ({"patternProperties": {"^a": WHOLE}, "additionalProperties": False}, ("ab",)),
        ({"items": WHOLE}, (3,)),
        ({"prefixItems": [{"type": "string"}, WHOLE], "items": False}, (1,)),
        ({"prefixItems": [{"type": "string"}], "items": WHOLE}, (1,)),
        *(({keyword: [{"type": "string"}, WHOLE]}, ()) for keyword in ("allOf", "anyOf", "oneOf")),
        ({"if": {}, "then": {"properties": {"a": WHOLE}}}, ("a",)),
        ({"if": {}, "else": {"properties": {"a": WHOLE}}}, ("a",)),
        ({"dependentSchemas": {"b": {"properties": {"a": WHOLE}}}}, ("a",)),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": WHOLE}}, ()),
        ({"$ref": "#here", "$defs": {"a": {"$anchor": "here", **WHOLE}}}, ()),
        ({"properties": {"a": {"$ref": "#"}, "b": WHOLE}}, ("a", "a", "b")),
    ],
)
def test_a_schema_that_may_hold_is_found(schema: Any, path: Path) -> None:
    assert any(found.get("type") == "integer" for found in Subschemas(schema).at(path))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "object"}, ("a",)),
        ({"properties": {"a": {}}}, ("b",)),
        ({"additionalProperties": False}, ("b",)),
        ({"properties": {"a": True}}, ("a",)),
        ({"properties": {"a": WHOLE}}, ("a", 0)),
        ({"items": WHOLE}, ("a",)),
    ],
)
def test_of_what_a_schema_does_not_describe_nothing_is_found(schema: Any, path: Path) -> None:
    assert list(Subschemas(schema).at(path)) == []


@pytest.mark.parametrize("reference", ["#", "#/$defs/loop", "#/$defs/nope", "http://127.0.0.1:9/x.json"])
def test_references_round_and_round_or_to_nowhere_end(reference: str) -> None:
    schema = {"$ref": reference, "$defs": {"loop": {"$ref": "#"}}}
    assert list(Subschemas(schema).at(("a",))) == []


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"oneOf": [{"const": "none"}, WHOLE]}, " 5 ", 5),
        ({"oneOf": [{"const": "none"}, WHOLE]}, "NONE", "none"),
        ({"allOf": [{"minimum": 1}, {"type": "number"}]}, "0.5", 0.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "0", False),
        ({"type": ["integer", "null"]}, "", None),
        ({"type": "string"}, "5", "5"),
        (WHOLE, "5.5", "5.5"),
        ({}, "5", "5"),
    ],
)
def test_a_substituted_text_becomes_what_is_asked_for(schema: Any, text: str, value: Any) -> None:
    document = Document("f.yaml", {"x": text}, texts={("x",): "${X}"})
    coerce(document, {"properties": {"x": schema}})
    assert document.value == {"x": value}
    assert type(document.value["x"]) is type(value)

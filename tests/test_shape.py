"""Data checked by JSON Schema, and what is wrong said in words that a client and a model can act upon."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shape import MAX_FAULTS, SchemaFault, compile_shape

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "kind": {"enum": ["cat", "dog"]},
        "tags": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"$ref": "#/$defs/tag"}},
    },
    "$defs": {"tag": {"type": "string", "pattern": r"\S"}},
}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "'name' is required"),
        ({"name": 3}, "'name' must be text, not a number"),
        ({"name": None}, "'name' must be text, not null"),
        ({"name": "x"}, "'name' needs at least 2 characters; it has 1"),
        ({"name": "xxxxxx"}, "'name' takes at most 5 characters; it has 6"),
        ({"name": "xx", "age": -1}, "'age' must be at least 0; it is -1"),
        ({"name": "xx", "age": 1.5}, "'age' must be a whole number, not a number"),
        ({"name": "xx", "age": True}, "'age' must be a whole number, not true"),
        ({"name": "xx", "kind": "cow"}, "'kind' must be one of cat, dog"),
        ({"name": "xx", "nmae": 1}, "'nmae' is not known (did you mean 'name'?)"),
        ({"name": "xx", "tags": []}, "'tags' needs at least 1 items; it has 0"),
        ({"name": "xx", "tags": ["a", " "]}, "'tags[1]' must have something in it"),
        ({"name": "xx", "tags": [["x"]]}, "'tags[0]' must be text, not a list"),
        ([], "it must be an object, not a list"),
    ],
)
def test_a_fault_names_its_place(value: Any, said: str) -> None:
    assert said in [str(fault) for fault in compile_shape(SCHEMA).faults(value)]


def test_a_choice_of_fields_is_said_as_one() -> None:
    shape = compile_shape({"anyOf": [{"required": ["a"]}, {"required": ["b", "c"]}]})
    assert [str(fault) for fault in shape.faults({})] == ["it needs 'a' or 'b' and 'c', with something in it"]


def test_a_fault_does_not_quote_a_long_value_and_there_are_not_too_many() -> None:
    shape = compile_shape({"type": "array", "items": {"type": "integer"}})
    faults = shape.faults(["x" * 10_000] * 1000)
    assert len(faults) == MAX_FAULTS
    assert all(len(str(fault)) < 200 for fault in faults)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "strng"}, ("type",)),
        ({"properties": {"a": {"minLength": -1}}}, ("properties", "a", "minLength")),
        ({"$ref": "http://example.com/schema"}, ("$ref",)),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, ("properties", "a", "$ref")),
        ({"items": {"$ref": "#/$defs/none"}}, ("items", "$ref")),
    ],
)
def test_a_schema_that_is_none_or_leads_elsewhere_is_refused_at_its_place(schema: Any, path: tuple[str, ...]) -> None:
    with pytest.raises(SchemaFault) as caught:
        compile_shape(schema)
    assert caught.value.path == path


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 200) | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "age", "kind", "tags", "other"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_the_verdict_is_that_of_jsonschema(value: Any) -> None:
    expected = jsonschema.Draft202012Validator(SCHEMA).is_valid(value)
    assert (compile_shape(SCHEMA).faults(value) == []) is expected

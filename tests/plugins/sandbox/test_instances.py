"""Instances of JSON Schemas: always valid by an independent validator, made in bounded time, or refused."""

from __future__ import annotations

import time
from functools import reduce
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.sandbox.instances import instance
from plugins.sandbox.schema import CannotMake

NAMES = st.sampled_from(["a", "b", "city"])
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, True, False, 0, 1, 2.5, "x", [], [1], {}])


def bounds(low: str, high: str, values: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, int]]:
    """Return strategies for neither, one or both of two bounds, in order."""
    pairs = st.tuples(values, values).map(sorted)
    return st.builds(
        lambda pair, keys: {key: value for key, value in zip((low, high), pair, strict=True) if key in keys},
        pairs,
        st.sets(st.sampled_from([low, high])),
    )


def either(*options: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from([{}, *options])


def merged(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: reduce(lambda one, other: one | other, found))


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return merged(
        st.just({"type": "object"}),
        st.dictionaries(NAMES, inner, max_size=3).flatmap(
            lambda members: st.sets(st.sampled_from([*members, "a"])).map(
                lambda required: {"properties": members, "required": sorted(required)}
            )
        ),
        either({"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}),
        bounds("minProperties", "maxProperties", st.integers(0, 4)),
    )


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return merged(
        st.just({"type": "array"}),
        st.fixed_dictionaries({}, optional={"items": inner, "prefixItems": st.lists(inner, min_size=1, max_size=2)}),
        bounds("minItems", "maxItems", st.integers(0, 3)),
        either({"uniqueItems": True}),
    )


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    branches = st.lists(inner, min_size=1, max_size=3)
    return (
        st.fixed_dictionaries({"anyOf": branches})
        | st.fixed_dictionaries({"oneOf": branches})
        | st.fixed_dictionaries({"allOf": branches})
        | st.fixed_dictionaries({"not": inner})
        | st.fixed_dictionaries({"if": inner}, optional={"then": inner, "else": inner})
    )


LEAVES = (
    merged(
        st.just({"type": "string"}),
        bounds("minLength", "maxLength", st.integers(0, 20)),
        either({"format": "date"}, {"pattern": "^[a-z]+$"}, {"pattern": r"\d{3}-x?"}, {"pattern": "^(ab|c)*[^q]$"}),
    )
    | merged(
        st.sampled_from([{"type": "integer"}, {"type": "number"}]),
        bounds("minimum", "maximum", st.integers(-9, 9)),
        bounds("exclusiveMinimum", "exclusiveMaximum", st.integers(-9, 9)),
        either({"multipleOf": 2}, {"multipleOf": 5}, {"multipleOf": 0.5}),
    )
    | st.sampled_from([{}, True, False, {"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}])
    | st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=3)})
    | st.fixed_dictionaries({"const": VALUES})
    | st.just({"$ref": "#/$defs/other"})
)
SCHEMAS = st.recursive(LEAVES, lambda inner: objects(inner) | arrays(inner) | combined(inner), max_leaves=8)


@settings(max_examples=200, deadline=None)
@given(schema=SCHEMAS, other=SCHEMAS)
def test_what_is_made_is_valid(schema: Any, other: Any) -> None:
    whole = {"allOf": [schema], "$defs": {"other": other}}
    try:
        made = instance(whole)
    except CannotMake:
        return
    jsonschema.Draft202012Validator(whole).validate(made)


def described(value: Any) -> dict[str, Any]:
    """Return a strict schema of which `value` is an instance."""
    if isinstance(value, dict):
        return {
            "type": "object",
            "properties": {key: described(item) for key, item in value.items()},
            "required": list(value),
            "additionalProperties": False,
        }
    if isinstance(value, list):
        return {"type": "array", "prefixItems": [described(item) for item in value], "minItems": len(value)}
    if isinstance(value, str):
        return {"type": "string", "minLength": len(value), "maxLength": len(value)}
    if isinstance(value, bool) or value is None:
        return {"const": value}
    return {"type": "number", "minimum": value, "maximum": value}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(value=PLAIN)
def test_a_schema_as_clients_write_them_is_never_refused(value: Any) -> None:
    schema = described(value)
    jsonschema.Draft202012Validator(schema).validate(instance(schema))


NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value", "next"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
        {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}, "required": ["kids"]},
        {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefghijklmnop"}},
        {"type": "string", "format": "uuid"},
        {"type": "string", "pattern": r"^\+?[1-9]\d{1,14}$"},
        {"type": "string", "pattern": r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$", "minLength": 40},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
        {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 56},
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "string"}, "minItems": 20, "uniqueItems": True},
        {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 0}], "not": {"const": 1}},
        {"type": "object", "minProperties": 3, "propertyNames": {"pattern": "^[a-z_0-9]+$"}},
        {"type": "object", "minProperties": 2, "patternProperties": {"^x-[a-z]+$": {"type": "null"}}},
        {"type": "object", "required": ["a"], "dependentRequired": {"a": ["b"]}},
        {"properties": {"a": {"const": 1}}, "required": ["a"], "allOf": [{"properties": {"b": {}}, "required": ["b"]}]},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": "escaped"}}},
        {"type": "string", "examples": [3, "Oslo"], "default": 4},
    ],
)
def test_schemas_of_everyday_are_met(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(instance(schema))


def test_an_instance_shows_what_was_declared() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}}}
    assert instance(schema) == {"city": "city", "unit": "C"}


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        inner = {"type": "object", "required": ["a"], "properties": {"a": inner}}
    return inner


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 2}, "finds no instance for 'the whole'"),
        ({"properties": {"a": False}, "required": ["a"], "type": "object"}, "finds no instance for 'a'"),
        ({"$ref": "#"}, "leads to itself"),
        ({"$ref": "#/$defs/none"}, "leads nowhere"),
        ({"$ref": "https://example.com/schema"}, "outside the schema"),
        ({"type": "string", "minLength": 10**9}, "at least 1000000000 characters"),
        ({"type": "array", "minItems": 10**9}, "at least 1000000000 items"),
        ({"type": "string", "pattern": "(?=a)a"}, "does not know the group"),
        ({"type": "object", "unevaluatedProperties": False}, "does not know the keyword 'unevaluatedProperties'"),
        ({"type": "number", "multipleOf": 0}, "not valid JSON Schema"),
        ({"type": "object", "properties": [1], "required": ["a"]}, "not valid JSON Schema"),
        ({"allOf": [7]}, "is an object or a boolean"),
        (nested(60), "deep"),
        # What would take a naive maker years:
        ({"allOf": [{"enum": [*range(20_000)]}, {"enum": [*range(20_001, 40_000)]}]}, "steps"),
        ({"const": [*range(20_000)], "uniqueItems": True}, "steps"),
        ({"type": "array", "minItems": 1000, "items": {"type": "array", "minItems": 1000}}, "steps"),
        ({"const": "a" * 4000 + "!", "pattern": "(a|b|[a-z]){2000}!$"}, "takes so long to check"),
    ],
)
def test_the_rest_is_refused_soon_and_says_why(schema: dict[str, Any], message: str) -> None:
    started_s = time.perf_counter()
    with pytest.raises(CannotMake, match=message):
        instance(schema)
    assert time.perf_counter() - started_s < 0.5


def test_catastrophic_patterns_take_no_time() -> None:
    started_s = time.perf_counter()
    assert instance({"oneOf": [{"const": "a" * 2000 + "!"}, {"type": "string", "pattern": "^(((a*)*)*)+$"}]})
    assert time.perf_counter() - started_s < 0.5

"""Each keyword of JSON Schema (2020-12) in words that name the thing and, where there is one, the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.complaints import MAX_WORDS
from gateway.config.document import Document
from gateway.config.schema import check
from gateway.errors import Problem


def problems_of(value: Any, schema: Any) -> list[str]:
    """Check `value` as the content of `x`."""
    problems: list[Problem] = []
    whole = {"x": value}
    check(Document("f.yaml", whole), whole, {"properties": {"x": schema}}, problems)
    return [problem.message for problem in problems]


ITEM = {"type": "integer"}
NAMED = {"properties": {"name": {}, "count": {}}, "additionalProperties": False}
HINT = {"x-hint": "small letters"}


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        # kinds
        ({"type": "string"}, 5, "x has to be text, not 5 (quote it)"),
        ({"type": "integer"}, 1.5, "x has to be a whole number, not 1.5"),
        ({"type": "integer"}, True, "x has to be a whole number, not true"),
        ({"type": "number"}, "5", "x has to be a number, not '5'"),
        ({"type": "boolean"}, "yes", "x has to be true or false, not 'yes' (write true)"),
        ({"type": "boolean"}, "Off", "x has to be true or false, not 'Off' (write false)"),
        ({"type": "object"}, None, "x has to be a mapping, not nothing"),
        ({"type": "array"}, {}, "x has to be a list, not a mapping"),
        ({"type": "null"}, [], "x has to be nothing, not a list"),
        ({"type": ["integer", "null"]}, "a", "x has to be a whole number or nothing, not 'a'"),
        ({"const": 1}, True, "x is true, it can only be 1"),
        ({"enum": ["red", "green", 3, True]}, "gren", "x is 'gren', it can be: red, green, 3, True (did you mean 'g"),
        ({"type": "string", "enum": ["red"]}, 5, "x has to be text, not 5 (quote it)"),
        ({"enum": ["red"], "type": "string"}, 5, "x has to be text, not 5 (quote it)"),
        # numbers
        ({"minimum": 1}, 0, "x has to be at least 1, this is 0"),
        ({"maximum": 1}, 1.5, "x has to be at most 1, this is 1.5"),
        ({"exclusiveMinimum": 0}, 0, "x has to be more than 0, this is 0"),
        ({"exclusiveMaximum": 10}, 10, "x has to be less than 10, this is 10"),
        ({"multipleOf": 8}, 20, "x has to be a multiple of 8, this is 20"),
        # text
        ({"minLength": 2}, "a", "x needs at least 2 characters, this is 1"),
        ({"maxLength": 2}, "abc", "x takes at most 2 characters, this is 3"),
        ({"pattern": "^[a-z]+$"}, "A", "x is 'A', which is not of the form ^[a-z]+$"),
        ({"pattern": "^[a-z]+$", **HINT}, "A", "x is 'A', which is not small letters"),
        # lists
        ({"items": ITEM}, [1, "a"], "x[1] has to be a whole number, not 'a'"),
        ({"prefixItems": [ITEM]}, ["a"], "x[0] has to be a whole number, not 'a'"),
        ({"prefixItems": [ITEM], "items": False}, [1, 2], "x holds more items than are described"),
        ({"prefixItems": [ITEM], "unevaluatedItems": False}, [1, 2], "x holds more items than are described"),
        ({"minItems": 1}, [], "x needs at least 1 items, this is 0"),
        ({"maxItems": 1}, [1, 2], "x takes at most 1 items, this is 2"),
        ({"uniqueItems": True}, [1, 2, 1], "x must not hold the same item twice: 1"),
        ({"uniqueItems": True}, [1, 1.0], "x must not hold the same item twice: 1.0"),
        ({"contains": ITEM}, ["a"], "x lacks an item that it has to hold"),
        ({"contains": ITEM, "minContains": 2}, [1], "x needs at least 2 items of the kind that it has to hold"),
        ({"contains": ITEM, "maxContains": 1}, [1, 2], "x takes at most 1 items of the kind that it has to hold"),
        # mappings
        (NAMED, {"nmae": 1}, "'nmae' is not known in x (did you mean 'name'?)"),
        (NAMED, {"zzzz": 1}, "'zzzz' is not known in x (known: count, name)"),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, {"ab": 1, "b": 2}, "'b' is not known in x"),
        ({"patternProperties": {"^a": ITEM}}, {"ab": "c"}, "ab has to be a whole number, not 'c'"),
        ({"additionalProperties": ITEM}, {"a": "b"}, "a has to be a whole number, not 'b'"),
        (
            {"allOf": [{"properties": {"a": {}}}], "properties": {"bad": {}}, "unevaluatedProperties": False},
            {"a": 1, "bda": 2},
            "'bda' is not known in x (did you mean 'bad'?)",
        ),
        ({"propertyNames": {"pattern": "^a"}}, {"b": 1}, "the name 'b' is not allowed"),
        ({"propertyNames": {"pattern": "^[a-z]*$", "maxLength": 2, **HINT}}, {"ABC": 1}, "the name 'ABC' is not small"),
        ({"required": ["a"]}, {}, "x lacks 'a'"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "x lacks 'b', which 'a' needs"),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 1}, "x lacks 'b'"),
        ({"minProperties": 1}, {}, "x needs at least 1 entries, this is 0"),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "x takes at most 1 entries, this is 2"),
        # of several schemas
        ({"allOf": [ITEM, {"minimum": 1}]}, 0, "x has to be at least 1, this is 0"),
        ({"oneOf": [{"minimum": 1}, {"maximum": 2}]}, 1, "x fits several of the forms that it can have, and has to"),
        ({"not": {"const": 1}}, 1, "x is 1, which is not allowed"),
        ({"if": {"const": 1}, "then": {"const": 2}}, 1, "x is 1, it can only be 2"),
        ({"if": {"const": 1}, "else": {"const": 3}}, 2, "x is 2, it can only be 3"),
        ({"$ref": "#/properties/x/$defs/item", "$defs": {"item": ITEM}}, "a", "x has to be a whole number, not 'a'"),
        (
            {"$dynamicRef": "#item", "$defs": {"i": {**ITEM, "$dynamicAnchor": "item"}}},
            "a",
            "x has to be a whole number",
        ),
        (False, 1, "x is not allowed here"),
        ({"anyOf": [False]}, 1, "x is not allowed here"),
        ({"prefixItems": [True, False]}, [1, 2], "x[1] is not allowed here"),
        ({"propertyNames": False}, {"a": 1}, "the name 'a' is not allowed"),
    ],
)
def test_a_fault_is_one_short_line(schema: Any, value: Any, message: str) -> None:
    [problem] = problems_of(value, schema)
    assert problem.startswith(message)
    assert len(problem) < 200


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"format": "ipv4"}, "no address"),  # JSON Schema counts it among the annotations
        ({"contentEncoding": "base64"}, "ä"),
        ({"type": "integer"}, 1.0),
        ({"const": 1}, 1.0),
        ({"minLength": 2}, "äö"),
        ({"x-hint": "anything", "deprecated": True}, 1),
    ],
)
def test_what_is_no_fault_is_not_told(schema: Any, value: Any) -> None:
    assert problems_of(value, schema) == []


def test_the_top_level_is_called_the_file() -> None:
    problems: list[Problem] = []
    check(Document("f.yaml", {}), {}, {"required": ["version"]}, problems)
    assert [problem.message for problem in problems] == ["the file lacks 'version'"]


def test_all_that_is_missing_or_unknown_is_told_each_once() -> None:
    assert problems_of({}, {"required": ["a", "b"]}) == ["x lacks 'a'", "x lacks 'b'"]
    assert len(problems_of({"a": 1, "b": 2}, {"additionalProperties": False})) == 2
    assert len(problems_of([1, 2, 1, 2, 1], {"uniqueItems": True})) == 3


def test_of_a_value_of_the_wrong_kind_only_that_is_told() -> None:
    schema = {"enum": ["a", "b"], "type": "string", "not": {"const": 5}, "multipleOf": 2}
    assert problems_of(5, schema) == ["x has to be text, not 5 (quote it)"]


@pytest.mark.parametrize("keyword", ["propertyNames", "properties"])
def test_a_property_with_a_keywords_name_is_one_like_others(keyword: str) -> None:
    assert problems_of({keyword: "a"}, {"properties": {keyword: {"pattern": "b"}}}) == [
        f"{keyword} is 'a', which is not of the form b"
    ]


@pytest.mark.parametrize("schema", [{"maxLength": 4}, {"type": "integer"}, {"const": "a"}, {"pattern": "b"}])
def test_a_long_value_is_not_quoted_whole(schema: Any) -> None:
    assert len(problems_of("x" * 100_000, schema)[0]) < 200


def test_a_schema_is_not_quoted_at_length() -> None:
    words = [f"word{number}" for number in range(1000)]
    [problem] = problems_of("wodr7", {"enum": words})
    assert problem.endswith(f", word{MAX_WORDS - 1}, … (did you mean 'word7'?)")
    assert len(problems_of("a", {"not": {"enum": ["a", *words]}})[0]) < 100
    assert len(problems_of(1, {"pattern": "a", "anyOf": [{"const": "x" * 1000}, {"type": "null"}]})[0]) < 200


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": "integer"}, {"const": "a"}, {"enum": ["a"]}, {"pattern": "^a$"}, {"not": {"type": "string"}}),
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    ],
)
def test_a_secret_is_never_shown(schema: Any) -> None:
    value = {"providers": {"p": {"credentials": {"api_key": "sk-canary"}}}}
    rules: Any = schema
    for key in ("api_key", "credentials", "p", "providers"):
        rules = {"properties": {key: rules}}
    problems: list[Problem] = []
    check(Document("f.yaml", value), value, rules, problems)
    [problem] = problems
    assert "canary" not in problem.message
    assert "…" in problem.message


def test_a_value_that_was_substituted_is_shown_as_it_was_written() -> None:
    problems: list[Problem] = []
    document = Document("f.yaml", {"x": "secret"}, texts={("x",): "${X}"}, variables={("x",): ("X",)})
    check(document, document.value, {"properties": {"x": {"type": "integer"}}}, problems)
    assert [problem.message for problem in problems] == ["x has to be a whole number, not '${X}'"]

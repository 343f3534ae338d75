from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config.document import Document
from gateway.config.schema import check, read_schema, schema_fault
from gateway.errors import Problem

ROOT = Path(__file__).parents[2]
SCHEMAS = {name: read_schema(ROOT / "schemas" / f"{name}.schema.json") for name in ("routes", "providers")}


def problems_of(value: Any, schema: dict[str, Any]) -> list[str]:
    problems: list[Problem] = []
    check(Document("f.yaml", value), value, schema, problems)
    return [problem.message for problem in problems]


def properties(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place and the schema of every property there is."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from properties(item, f"{at}/{index}")
    elif isinstance(schema, dict):
        for name, property_schema in schema.get("properties", {}).items():
            yield f"{at}/{name}", property_schema
        for key, item in schema.items():
            if key != "examples":
                yield from properties(item, f"{at}/{key}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_property_is_described_and_has_an_example(name: str) -> None:
    for place, schema in properties(SCHEMAS[name]):
        target = SCHEMAS[name]["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
        assert target.get("description"), f"{place} has no description"
        assert target.get("examples"), f"{place} has no example"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_mapping_refuses_what_it_does_not_know(name: str) -> None:
    for place, schema in properties(SCHEMAS[name]):
        if schema.get("type") == "object" and not place.endswith("/options"):
            assert "additionalProperties" in schema, f"{place} lets anything in"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_valid_and_keep_to_the_keywords_we_check(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert schema_fault(SCHEMAS[name]) is None
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_examples_are_valid(name: str) -> None:
    for place, schema in properties(SCHEMAS[name]):
        whole = {"$defs": SCHEMAS[name]["$defs"], **schema}
        for example in schema.get("examples", ()):
            if "${" not in json.dumps(example):
                assert problems_of(example, whole) == [], place


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_yaml_files_name_their_schema_for_editors(name: str) -> None:
    first = (ROOT / f"{name}.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=schemas/{name}.schema.json"


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "maxProperties": 4,
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$", "x-hint": "small letters"},
        "count": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10},
        "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "kind": {"enum": ["red", "green", 3, True]},
        "items": {
            "type": "array",
            "items": {"$ref": "#/$defs/item"},
            "uniqueItems": True,
            "minItems": 1,
            "maxItems": 2,
        },
        "either": {"anyOf": [{"const": "none"}, {"$ref": "#/$defs/item"}, {"type": "object", "required": ["a"]}]},
        "free": {"type": "object", "propertyNames": {"pattern": "^x"}, "additionalProperties": {"type": "boolean"}},
        "maybe": {"type": ["integer", "null"]},
        "version": {"const": 1},
    },
    "$defs": {"item": {"type": "integer"}},
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 11)
    | st.sampled_from([0.0, 0.5, 1.0, 1.5, 10.0])
    | st.sampled_from(["", "a", "ab", "abcd", "abcde", "AB", "none", "red", "3", "x1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SCHEMA["properties"], "a", "x", "nmae"]), inner, max_size=5)
    ),
    max_leaves=8,
)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES | st.dictionaries(st.sampled_from([*SCHEMA["properties"]]), VALUES, max_size=5))
def test_the_verdict_is_that_of_jsonschema(value: Any) -> None:
    expected = jsonschema.Draft202012Validator(SCHEMA).is_valid(value)
    assert (problems_of(value, SCHEMA) == []) is expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"nmae": "ab", "name": "ab"}, "'nmae' is not known in the file (did you mean 'name'?)"),
        ({"zzzz": 1, "name": "ab"}, "'zzzz' is not known in the file (known: count, either, free, items, "),
        ({}, "the file lacks 'name'"),
        ({"name": 5}, "name has to be text, not 5 (quote it)"),
        ({"name": "a"}, "name needs at least 2 characters, this is 1"),
        ({"name": "AB"}, "name is 'AB', which is not small letters"),
        ({"name": "ab", "count": 0}, "count has to be at least 1, this is 0"),
        ({"name": "ab", "count": 10}, "count has to be less than 10, this is 10"),
        ({"name": "ab", "count": 1.5}, "count has to be a whole number, not 1.5"),
        ({"name": "ab", "count": True}, "count has to be a whole number, not true"),
        ({"name": "ab", "kind": "gren"}, "kind is 'gren', it can be: red, green, 3, True (did you mean 'green'?)"),
        ({"name": "ab", "items": [1, 1]}, "items must not hold the same item twice: 1"),
        ({"name": "ab", "items": [1, "x"]}, "items[1] has to be a whole number, not 'x'"),
        ({"name": "ab", "either": []}, "either has to be 'none' or a whole number or a mapping, not a list"),
        ({"name": "ab", "either": {}}, "either lacks 'a'"),
        ({"name": "ab", "version": 2}, "version is 2, it can only be 1"),
        ({"name": "ab", "free": {"x": "yes"}}, "x has to be true or false, not 'yes' (write true)"),
        ({"name": "ab", "free": None}, "free has to be a mapping, not nothing"),
    ],
)
def test_a_fault_is_one_short_line_with_the_remedy(value: Any, message: str) -> None:
    [problem] = problems_of(value, SCHEMA)
    assert problem.startswith(message)
    assert len(problem) < 200


def test_all_faults_are_told_at_once() -> None:
    assert len(problems_of({"nmae": 1, "count": 0, "kind": "x", "items": ["a", "b"]}, SCHEMA)) == 6


def test_a_long_value_is_not_quoted_whole() -> None:
    assert len(problems_of({"name": "x" * 100_000}, SCHEMA)[0]) < 200


@pytest.mark.parametrize(
    "schema", [{"oneOf": []}, {"properties": {"a": {"if": {}}}}, {"items": {"$dynamicRef": "#"}}, 5]
)
def test_a_schema_with_other_keywords_is_refused(schema: Any) -> None:
    assert schema_fault(schema) is not None

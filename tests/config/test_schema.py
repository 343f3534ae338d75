from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from gateway.config.document import Document, Mark
from gateway.config.document import Path as Path_
from gateway.config.schema import check, read_schema, schema_fault
from gateway.errors import Problem

ROOT = Path(__file__).parents[2]
SCHEMAS = {name: read_schema(ROOT / "schemas" / f"{name}.schema.json") for name in ("routes", "providers", "prompt")}


def problems_of(value: Any, schema: Mapping[str, Any]) -> list[str]:
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
        if schema.get("type") == "object" and not place.endswith(("/options", "/input", "/output")):
            assert "additionalProperties" in schema, f"{place} lets anything in"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_schemas(name: str) -> None:
    assert schema_fault(SCHEMAS[name]) is None
    assert SCHEMAS[name]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_examples_are_valid(name: str) -> None:
    for place, schema in properties(SCHEMAS[name]):
        whole = {"$defs": SCHEMAS[name].get("$defs", {}), **schema}
        for example in schema.get("examples", ()):
            if "${" not in json.dumps(example):
                assert problems_of(example, whole) == [], place


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_yaml_files_name_their_schema_for_editors(name: str) -> None:
    folder = "prompts" if name == "prompt" else "."
    for file in (ROOT / folder).glob("*.yaml" if name == "prompt" else f"{name}.yaml"):
        first = file.read_text().splitlines()[0]
        up = "../" if name == "prompt" else ""
        assert first == f"# yaml-language-server: $schema={up}schemas/{name}.schema.json"


def test_all_faults_are_told_at_once_each_at_its_place() -> None:
    schema = {
        "additionalProperties": False,
        "required": ["name"],
        "properties": {"count": {"minimum": 1}, "items": {"items": {"type": "integer"}}},
    }
    value = {"nmae": 1, "count": 0, "items": ["a", 1, "b"]}
    paths: list[Path_] = [(), ("nmae",), ("count",), ("items", 0), ("items", 2)]
    marks = {path: Mark("f.yaml", number + 1, 1) for number, path in enumerate(paths)}
    problems: list[Problem] = []
    faults = check(Document("f.yaml", value, values=marks), value, schema, problems)
    assert faults == set(paths)
    assert sorted(problem.line for problem in problems) == [1, 2, 3, 4, 5]


def test_a_part_is_checked_at_its_own_place() -> None:
    document = Document("f.yaml", {"a": [{"b": 5}]}, values={("a", 0, "b"): Mark("f.yaml", 7, 3)})
    problems: list[Problem] = []
    assert check(document, {"b": 5}, {"properties": {"b": {"type": "string"}}}, problems, ("a", 0)) == {("a", 0, "b")}
    assert [str(problem) for problem in problems] == ["f.yaml:7:3: b has to be text, not 5 (quote it)"]


def test_a_reference_that_could_not_be_replaced_is_a_fault_that_was_told_already() -> None:
    value = {"count": "${A}", "text": "${B}", "either": "${C}", "list": ["${D}", "x"], "free": {"x": "${E}"}}
    paths: list[Path_] = [("count",), ("text",), ("either",), ("list", 0), ("free", "x")]
    schema = {
        "properties": {
            "count": {"type": "integer", "enum": [1, 2]},
            "text": {"type": "string"},
            "either": {"anyOf": [{"const": "none"}, {"type": "integer"}]},
            "list": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["integer", "null"]}}]},
            "free": {"type": "object"},
        }
    }
    document = Document("f.yaml", value, variables=dict.fromkeys(paths, ()))
    problems: list[Problem] = []
    faults = check(document, value, schema, problems)
    assert faults == {*paths[:4], ("list", 1)}  # of what is in `free` the schema says nothing: a plugin's may
    assert [problem.message for problem in problems] == ["list[1] has to be a whole number or nothing, not 'x'"]


def test_an_alternative_in_which_only_such_a_reference_is_wrong_is_met() -> None:
    value = {"list": ["${A}"]}
    document = Document("f.yaml", value, variables={("list", 0): ()})
    problems: list[Problem] = []
    alternatives = [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]
    assert check(document, value, {"properties": {"list": {"anyOf": alternatives}}}, problems) == {("list", 0)}
    assert problems == []


def test_a_schema_of_read_only_mappings_and_tuples_is_one() -> None:
    schema = MappingProxyType({"additionalProperties": MappingProxyType({"enum": ("a", "b")})})
    assert schema_fault(schema) is None
    assert problems_of({"x": "c"}, schema) == ["x is 'c', it can be: a, b"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "#/$defs/nope"}, "the file cannot be checked: its schema refers to '/$defs/nope', which is not in"),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "its schema refers to 'http://127.0.0.1:9/x.json', which is not in it"),
        ({"$ref": "#"}, "the file cannot be checked: its schema refers to itself"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_and_nothing_is_fetched(schema: Any, message: str) -> None:
    [problem] = problems_of({"a": 1}, schema)
    assert message in problem


@pytest.mark.parametrize(
    "schema", [{}, {"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"items": {"$dynamicRef": "#"}}]
)
def test_every_keyword_of_json_schema_may_be_used(schema: Any) -> None:
    assert schema_fault(schema) is None


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        (5, "it is not a mapping"),
        (True, "it is not a mapping"),
        ({"oneOf": []}, "oneOf needs at least 1 items, this is 0"),
        ({"type": "strng"}, "type is 'strng', it can be: array, boolean, integer, null, number, object, string (did"),
        ({"properties": {"a": {"minimum": "1"}}}, "properties.a: minimum has to be a number, not '1'"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a: pattern is '(', which is not of the format 'regex'"),
        ({"properties": {"a": {"required": "b"}}}, "properties.a: required has to be a list, not 'b'"),
        ({"properties": {"a": 5}}, "properties: a has to be a mapping or true or false, not 5"),
        ({"enum": frozenset({1})}, "it holds what JSON does not"),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, fault: str) -> None:
    found = schema_fault(schema)
    assert found is not None
    assert found.startswith(fault)
    assert len(found) < 200

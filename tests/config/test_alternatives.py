"""Of `anyOf` and `oneOf` a message is about the alternative that was meant."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.document import Document
from gateway.config.schema import check
from gateway.errors import Problem

NONE = {"const": "none"}
NUMBER = {"type": "integer", "minimum": 1}
NEEDS_A = {"type": "object", "required": ["a"]}
CIRCLE = {"properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}}, "required": ["kind", "radius"]}
SQUARE = {"properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"]}


def problems_of(value: Any, alternatives: list[Any], keyword: str = "anyOf") -> list[str]:
    problems: list[Problem] = []
    whole = {"x": value}
    check(Document("f.yaml", whole), whole, {"properties": {"x": {keyword: alternatives}}}, problems)
    return [problem.message for problem in problems]


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
@pytest.mark.parametrize(
    ("alternatives", "value", "messages"),
    [
        ([NONE, NUMBER, NEEDS_A], "none", []),
        ([NONE, NUMBER, NEEDS_A], {}, ["x lacks 'a'"]),
        ([NONE, NUMBER, NEEDS_A], 0, ["x has to be at least 1, this is 0"]),
        ([NONE, NUMBER, NEEDS_A], [], ["x has to be 'none' or a whole number or a mapping, not a list"]),
        ([NONE, NUMBER, NEEDS_A], "nnoe", ["x has to be 'none' or a whole number or a mapping, not 'nnoe'"]),
        ([NONE, {"anyOf": [NUMBER, NEEDS_A]}], [], ["x has to be 'none' or a whole number or a mapping, not a list"]),
        ([NONE, {"anyOf": [NUMBER, NEEDS_A]}], {}, ["x lacks 'a'"]),
        (
            [NUMBER, {"type": ["integer", "null"]}],
            "a",
            ["x has to be a whole number or a whole number or nothing, not"],
        ),
        ([{"enum": ["auto", "off"]}, NUMBER], "atuo", ["x is 'atuo', it can be: auto, off (did you mean 'auto'?)"]),
        ([{"enum": ["auto", "off"]}, NUMBER], [], ["x has to be 'auto' or 'off' or a whole number, not a list"]),
        ([NUMBER, {"type": "array", "items": NUMBER}], [1, "b"], ["x[1] has to be a whole number, not 'b'"]),
        ([CIRCLE, SQUARE], {"kind": "circle", "radius": "a"}, ["radius has to be a number, not 'a'"]),
        ([CIRCLE, SQUARE], {"kind": "square"}, ["x lacks 'side'"]),
        ([CIRCLE, SQUARE], {"kind": "square", "side": "a", "radius": 5}, ["side has to be a number, not 'a'"]),
    ],
)
def test_the_alternative_for_this_kind_of_value_is_blamed(
    keyword: str, alternatives: list[Any], value: Any, messages: list[str]
) -> None:
    problems = problems_of(value, alternatives, keyword)
    assert len(problems) == len(messages)
    assert all(problem.startswith(message) for problem, message in zip(problems, messages, strict=True)), problems

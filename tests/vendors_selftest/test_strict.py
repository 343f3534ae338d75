"""tests/vendors/strict.py: TypedDicts refuse unknown keys and unread items, and one short error is picked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Required

import pytest
from typing_extensions import TypedDict

from tests.vendors.strict import StrictValidator


class TextPart(TypedDict, total=False):
    type: Required[Literal["text"]]
    text: Required[str]


class ImagePart(TypedDict, total=False):
    type: Required[Literal["image"]]
    url: Required[str]
    detail: Literal["low", "high"]


class Body(TypedDict, total=False):
    model: Required[str]
    parts: Iterable[TextPart | ImagePart]
    temperature: float


VALIDATOR = StrictValidator(Body)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "m"},
        {"model": "m", "temperature": 1},
        {"model": "m", "parts": [{"type": "text", "text": "a"}, {"type": "image", "url": "u", "detail": "low"}]},
    ],
)
def test_valid_values_have_no_violation(body: dict[str, Any]) -> None:
    assert VALIDATOR.violation(body) is None


@pytest.mark.parametrize(
    ("body", "kind", "path"),
    [
        ({}, "missing", "model"),
        ({"model": "m", "nope": 1}, "extra_forbidden", "nope"),
        ({"model": "m", "temperature": "1"}, "float_type", "temperature"),
        ({"model": "m", "parts": [{"type": "text"}]}, "missing", "parts[0].text"),
        ({"model": "m", "parts": [{"type": "text", "text": 1}]}, "string_type", "parts[0].text"),
        ({"model": "m", "parts": [{"type": "text", "text": "a", "x": 1}]}, "extra_forbidden", "parts[0].x"),
        (
            {"model": "m", "parts": [{"type": "image", "url": "u", "detail": "best"}]},
            "literal_error",
            "parts[0].detail",
        ),
        ({"model": "m", "parts": [{"type": "video"}]}, "literal_error", "parts[0].type"),
        ({"model": "m", "parts": "text"}, "list_type", "parts"),
    ],
)
def test_the_violation_of_the_member_that_was_meant_is_picked(body: dict[str, Any], kind: str, path: str) -> None:
    violation = VALIDATOR.violation(body)
    assert violation is not None
    assert (violation.kind, violation.path) == (kind, path)

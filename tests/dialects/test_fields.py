"""Fields are read with their types checked; every complaint names the field, its place and what it should be."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from gateway.dialects.fields import MAX_SAFE_INT, Fields, kind, parse_object, shown
from gateway.errors import InvalidRequest
from tests.dialects.bodies import JSON, NOT_OBJECTS


@pytest.mark.parametrize("body", NOT_OBJECTS)
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"the body (is|must)"):
        parse_object(body)


def message_of(read: Callable[[Fields], Any], value: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(Fields({"a": value}, "outer[1]"))
    assert caught.value.param is not None
    assert caught.value.param.startswith("outer[1].a")
    return caught.value.message


READERS: dict[str, Callable[[Fields], Any]] = {
    "string": lambda fields: fields.string("a"),
    "boolean": lambda fields: fields.boolean("a"),
    "number": lambda fields: fields.number("a", 0, 1),
    "integer": lambda fields: fields.integer("a", 0, 9),
    "object": lambda fields: fields.object("a"),
    "array": lambda fields: fields.array("a"),
    "objects": lambda fields: tuple(fields.objects("a")),
    "strings": lambda fields: fields.strings("a"),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_absent_or_null_is_not_said(name: str) -> None:
    for raw in ({}, {"a": None}):
        assert READERS[name](Fields(raw)) in (None, ())


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("string", 1, "must be a string, not a number"),
        ("string", ["a"], "must be a string, not an array"),
        ("boolean", 1, "must be true or false, not a number"),
        ("boolean", "true", "must be true or false, not a string"),
        ("number", True, "must be a number, not a boolean"),
        ("number", "1", "must be a number, not a string"),
        ("integer", 1.5, "must be a whole number, not a number"),
        ("integer", False, "must be a whole number, not a boolean"),
        ("object", [], "must be an object, not an array"),
        ("array", {}, "must be an array, not an object"),
        ("array", "x", "must be an array, not a string"),
        ("objects", [{}, 1], "'outer[1].a[1]' must be an object, not a number"),
        ("objects", [None], "'outer[1].a[0]' must be an object, not null"),
        ("strings", ["x", 1], "'outer[1].a[1]' must be a string, not a number"),
        ("strings", {}, "must be an array, not an object"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(name: str, wrong: Any, expected: str) -> None:
    assert expected in message_of(READERS[name], wrong)


@pytest.mark.parametrize(("value", "is_taken"), [(-0.1, False), (0, True), (0.5, True), (2, True), (2.1, False)])
def test_a_number_is_taken_from_its_lowest_to_its_highest(value: float, is_taken: bool) -> None:
    def read(fields: Fields) -> float | None:
        return fields.number("a", 0, 2)

    if is_taken:
        assert read(Fields({"a": value})) == value
    else:
        assert "must be from 0 to 2" in message_of(read, value)


@pytest.mark.parametrize(("value", "is_taken"), [(0, False), (1, True), (128, True), (129, False), (2**63, False)])
def test_a_whole_number_is_taken_from_its_lowest_to_its_highest(value: int, is_taken: bool) -> None:
    def read(fields: Fields) -> int | None:
        return fields.integer("a", 1, 128)

    if is_taken:
        assert read(Fields({"a": value})) == value
    else:
        assert "must be from 1 to 128" in message_of(read, value)


def test_a_whole_number_without_bound_fits_every_vendors_integers() -> None:
    assert Fields({"a": MAX_SAFE_INT}).integer("a", 0) == MAX_SAFE_INT
    assert "must be from 0" in message_of(lambda fields: fields.integer("a", 0), MAX_SAFE_INT + 1)


@pytest.mark.parametrize(("count", "is_taken"), [(0, False), (1, True), (4, True), (5, False)])
def test_an_array_is_taken_from_its_fewest_to_its_most_items(count: int, is_taken: bool) -> None:
    def read(fields: Fields) -> list[Any] | None:
        return fields.array("a", low=1, high=4)

    if is_taken:
        assert read(Fields({"a": [0] * count})) == [0] * count
    else:
        assert f"it has {count}" in message_of(read, [0] * count)


def test_a_choice_is_one_of_those_that_are_named() -> None:
    fields = Fields({"a": "mp4"})
    assert Fields({"a": "mp3"}).string("a", choices=("mp3", "wav")) == "mp3"
    with pytest.raises(InvalidRequest, match="'a' must be one of mp3, wav; it is 'mp4'"):
        fields.string("a", choices=("mp3", "wav"))


def test_what_is_required_is_named_with_its_path() -> None:
    for raw in ({}, {"a": None}):
        with pytest.raises(InvalidRequest, match=r"'messages\[0\].a' is required"):
            Fields(raw, "messages[0]").required_string("a")


def test_one_string_stands_for_an_array_of_it() -> None:
    assert Fields({"a": "x"}).strings("a") == ("x",)
    assert Fields({"a": ["x", "y"]}).strings("a") == ("x", "y")
    with pytest.raises(InvalidRequest, match="at most 2"):
        Fields({"a": ["x", "y", "z"]}).strings("a", high=2)


def test_inner_objects_know_where_they_are() -> None:
    outer = Fields({"b": {"c": 1}, "d": [{}, {"e": 1}]}, "a")
    inner = outer.object("b")
    assert inner is not None
    assert inner.path("c") == "a.b.c"
    assert [item.path("e") for item in outer.objects("d")] == ["a.d[0].e", "a.d[1].e"]


def test_the_rest_is_what_is_not_known() -> None:
    assert Fields({"a": 1, "b": None, "c": 3}).rest(frozenset({"a"})) == {"b": None, "c": 3}


@given(JSON)
def test_no_value_is_more_than_a_complaint(value: Any) -> None:
    for read in READERS.values():
        with suppress(InvalidRequest):
            read(Fields({"a": value}))
    assert kind(value).split()[0] in ("null", "a", "an")


@pytest.mark.parametrize("size", [1, 59, 60, 61, 10_000_000])
def test_a_clients_text_is_shown_short_and_on_one_line(size: int) -> None:
    text = shown("\n" * size)
    assert "\n" not in text
    assert len(text) <= 130


@pytest.mark.parametrize("size", [10, 200, 10_000, 5_000_000])
def test_a_complaint_is_short_however_long_a_clients_names_are(size: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Fields({"k" * size: 1}, "logit_bias").string("k" * size)
    assert len(caught.value.message) < 400
    assert caught.value.param is not None
    assert len(caught.value.param) < 300
    assert caught.value.param.startswith("logit_bias.kkk")

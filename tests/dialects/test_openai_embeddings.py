"""OpenAI embeddings: texts or token ids in, at OpenAI's own limits; vectors out as floats or as base64."""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given

from gateway.dialects.openai_embeddings import MAX_INPUTS, MAX_TOKENS, OpenAIEmbeddings
from gateway.errors import UpstreamCut
from gateway.types import Attempt, Call, Done, Embeddings, Event, Units, Usage, Vector, Verbatim
from tests.dialects.bodies import anything, check_ask_or_named_fault, decode, fault, fault_of
from tests.given import call, stream

DIALECT = OpenAIEmbeddings()
PLAIN: dict[str, Any] = {"model": "embed", "input": "hello"}
RICH: dict[str, Any] = {
    "model": "embed",
    "input": ["a", "b", [1, 2]],
    "dimensions": 256,
    "encoding_format": "base64",
    "user": "u",
    "x": 1,
}
TOKENS: dict[str, Any] = {"input": [[1, 2], [3]]}


def inputs(value: Any) -> Any:
    body = decode(DIALECT, {"input": value}).body
    assert isinstance(body, Embeddings)
    return body.inputs


@given(anything((PLAIN, RICH, TOKENS)))
def test_any_body_gives_an_ask_or_a_complaint_that_names_its_field(body: dict[str, Any]) -> None:
    check_ask_or_named_fault(DIALECT, body)


def test_a_rich_request_is_read_whole() -> None:
    ask = decode(DIALECT, RICH)
    assert (ask.model, ask.stream) == ("embed", False)
    assert ask.body == Embeddings(("a", "b", (1, 2)), 256, "base64", "u", {"x": 1})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", ("a",)),
        (["a"], ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2, 3], ((1, 2, 3),)),
        ([[1, 2], [3]], ((1, 2), (3,))),
        ([0], ((0,),)),
    ],
)
def test_an_input_is_a_text_or_tokens_or_several(value: Any, expected: Any) -> None:
    assert inputs(value) == expected


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (None, "input"),
        ("", "input"),
        ([], "input"),
        ({}, "input"),
        (5, "input"),
        (["a", ""], "input[1]"),
        (["a", []], "input[1]"),
        (["a", 5], "input[1]"),
        ([1, "a"], "input[0]"),
        ([1, -1], "input[0]"),
        ([1, True], "input[0]"),
        ([1, 1.5], "input[0]"),
        ([[1, "a"]], "input[0]"),
        ([[[1]]], "input[0]"),
    ],
)
def test_a_wrong_input_is_named_with_its_place(value: Any, param: str) -> None:
    assert fault(DIALECT, {"input": value}).param == param


@pytest.mark.parametrize(("count", "is_taken"), [(MAX_INPUTS - 1, True), (MAX_INPUTS, True), (MAX_INPUTS + 1, False)])
def test_as_many_texts_are_taken_as_openai_takes(count: int, is_taken: bool) -> None:
    for item in ("a", [1]):
        assert (fault_of(DIALECT, {"input": [item] * count}) is None) == is_taken


@pytest.mark.parametrize(
    ("count", "is_taken"), [(MAX_INPUTS + 1, True), (8192, True), (MAX_TOKENS, True), (MAX_TOKENS + 1, False)]
)
def test_one_text_may_have_more_tokens_than_there_may_be_texts(count: int, is_taken: bool) -> None:
    for value in ([7] * count, [[7] * count]):
        assert (fault_of(DIALECT, {"input": value}) is None) == is_taken


@pytest.mark.parametrize(
    ("dimensions", "is_taken"), [(0, False), (1, True), (65_536, True), (65_537, False), (1.5, False)]
)
def test_dimensions_are_at_least_one(dimensions: float, is_taken: bool) -> None:
    assert (fault_of(DIALECT, PLAIN | {"dimensions": dimensions}) is None) == is_taken


# ---------------------------------------------------------------- what is written


def asked(encoding: Any = "float") -> Call:
    made = call(Embeddings(("a", "b"), encoding=encoding), operation="embeddings", dialect="openai.embeddings")
    made.receipt.attempts.append(Attempt("vendor/served"))
    return made


async def answer(made: Call, *events: Event | BaseException) -> Any:
    found = await DIALECT.encode(made, stream(events))
    assert isinstance(found.body, bytes)
    return orjson.loads(found.body)


ANSWER = (Vector(0, [0.25, -1.5]), Vector(1, [1.0, 0.0]), Usage(Units(7)), Done())


async def test_vectors_are_written_as_floats() -> None:
    assert await answer(asked(), *ANSWER) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.25, -1.5]},
            {"object": "embedding", "index": 1, "embedding": [1.0, 0.0]},
        ],
        "model": "served",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


async def test_vectors_are_written_as_base64_of_little_endian_floats() -> None:
    found = await answer(asked("base64"), *ANSWER)
    assert struct.unpack("<2f", base64.b64decode(found["data"][0]["embedding"])) == (0.25, -1.5)


async def test_a_vendors_own_bytes_pass_untouched() -> None:
    found = await DIALECT.encode(asked(), stream((Verbatim(b'{"x": '), Usage(Units(1)), Verbatim(b"1}"), Done())))
    assert found.body == b'{"x": 1}'


async def test_a_cut_passes() -> None:
    with pytest.raises(UpstreamCut):
        await answer(asked(), Vector(0, [1.0]), UpstreamCut("cut"))

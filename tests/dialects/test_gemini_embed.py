"""Gemini's embeddings: what a client may write, one text or a batch; the path's verb tells them apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialects.gemini_embed import GeminiEmbed
from gateway.errors import InvalidRequest
from gateway.types import Done, Embeddings, Head, Inbound, Units, Usage, Vector
from tests import given

ITEM = {"model": "models/m", "content": {"parts": [{"text": "a"}, {"text": "b"}]}}


def read(body: Any, verb: str = "batchEmbedContents") -> Embeddings:
    head = Head("id-1", "POST", f"/v1beta/models/m:{verb}", {}, {}, "127.0.0.1", {"model": "m", "version": "v1beta"})
    ask = GeminiEmbed().decode(Inbound(head, json.dumps(body).encode()))
    assert ask.model == "m"
    assert isinstance(ask.body, Embeddings)
    return ask.body


def test_a_batch_and_a_single_text_are_read() -> None:
    options = {"outputDimensionality": "8", "task_type": "RETRIEVAL_QUERY"}
    wanted = Embeddings(("ab",), 8, extra={"taskType": "RETRIEVAL_QUERY"})
    assert read(ITEM | options, "embedContent") == wanted
    assert read({"requests": [ITEM | options] * 2}) == Embeddings(("ab", "ab"), 8, extra=wanted.extra)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": [ITEM] * 101}, "requests"),
        ({"requests": [{"model": "models/m"}]}, "requests[0].content"),
        ({"requests": [{"content": {"parts": [{"text": ""}]}}]}, "requests[0].content"),
        ({"requests": [ITEM, ITEM | {"outputDimensionality": 8}]}, "requests[1].outputDimensionality"),
        ({"requests": [ITEM | {"taskType": "NONSENSE"}]}, "requests[0].taskType"),
    ],
)
def test_a_wrong_batch_is_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("verb", "wanted"),
    [
        ("embedContent", {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 3}}),
        ("batchEmbedContents", {"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 3}}),
    ],
)
async def test_vectors_are_rendered_as_the_verb_asks(verb: str, wanted: Any) -> None:
    call = given.call(Embeddings(("a",)), operation="embeddings", path=f"/v1/models/m:{verb}")
    events = given.stream([Vector(0, [0.5]), Usage(Units(input_tokens=3)), Done()])
    rendered = await GeminiEmbed().encode(call, events)
    assert isinstance(rendered.body, bytes)
    assert json.loads(rendered.body) == wanted

"""Embeddings: unit length, the same each time, close for similar texts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import UnsupportedByTarget
from gateway.types import Done, Embeddings, Units, Usage, Vector
from plugins.sandbox import PLUGIN
from plugins.sandbox.vectors import vector
from tests.plugins.sandbox.harness import call_for, events, target_for


def closeness(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(vector(one, 256), vector(other, 256), strict=True))


@settings(max_examples=100, deadline=None)
@given(source=st.text(max_size=50) | st.lists(st.integers(0, 10**6), max_size=9), dimensions=st.integers(1, 64))
def test_every_vector_has_length_one(source: str | list[int], dimensions: int) -> None:
    values = vector(source, dimensions)
    assert len(values) == dimensions
    assert math.hypot(*values) == pytest.approx(1)
    assert values == vector(source, dimensions)


def test_similar_texts_are_closer() -> None:
    one = "The quick brown fox jumps over the dog"
    assert closeness(one, "the quick brown fox jumped over a dog") > 0.7
    assert abs(closeness(one, "Invoices are due in thirty days")) < 0.3
    assert closeness("translation", "translate") > closeness("translation", "banana")
    assert closeness("我喜欢猫", "我喜欢狗") > closeness("我喜欢猫", "天气很好")


async def test_inputs_keep_their_order_and_are_counted() -> None:
    found = await events(Embeddings(("hello", (1, 2, 3), "")))
    vectors = [event for event in found if isinstance(event, Vector)]
    assert [event.index for event in vectors] == [0, 1, 2]
    assert [len(event.values) for event in vectors] == [256] * 3
    assert list(vectors[0].values) == vector("hello", 256)
    assert found[3:] == [Usage(Units(input_tokens=2 + 3)), Done("stop")]


@pytest.mark.parametrize(("asked", "option", "length"), [(None, 100, 100), (3, 100, 3), (4096, 1, 4096)])
async def test_dimensions_are_the_clients_then_the_operators(asked: int | None, option: int, length: int) -> None:
    found = await events(Embeddings(("x",), dimensions=asked), dimensions=option)
    assert isinstance(found[0], Vector)
    assert len(found[0].values) == length


@pytest.mark.parametrize("dimensions", [0, 4097])
def test_impossible_dimensions_are_refused_before(dimensions: int) -> None:
    body = Embeddings(("x",), dimensions=dimensions)
    assert "1 to 4096 dimensions" in (PLUGIN.refusal(call_for(body), target_for(body)) or "")


@pytest.mark.parametrize(("size", "fits"), [(8192, True), (8193, False)])
async def test_a_long_input_is_refused(size: int, fits: bool) -> None:
    body = Embeddings(("abcd" * size,))
    if fits:
        assert len(await events(body)) == 3
    else:
        with pytest.raises(UnsupportedByTarget, match="at most 8192"):
            await events(body)

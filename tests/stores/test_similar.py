"""The nearest questions are found as a search through all would find them; no more are held than there is room for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.stores.cache import Key
from gateway.stores.similar import Room, SimilarQuestions

VECTORS = st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3).filter(lambda row: math.hypot(*row) > 0.01)


def key(name: str) -> Key:
    return Key(name, "tenant", "route")


def room(most: int = 100) -> Room:
    return SimilarQuestions().room("route", most)


def names(found: Sequence[tuple[float, Key]]) -> list[str]:
    return [one.digest for _, one in found]


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@settings(max_examples=60, deadline=None)
@given(st.lists(VECTORS, min_size=1, max_size=40), VECTORS, st.sets(st.integers(0, 39)))
def test_what_is_found_is_what_a_search_through_all_finds(
    rows: list[list[float]], wanted: list[float], gone: set[int]
) -> None:
    held = room()
    for number, row in enumerate(rows):
        held.add("shelf", row, key(str(number)))
    for number in gone:
        held.forget("shelf", key(str(number)))
    scores = {str(n): cosine(row, wanted) for n, row in enumerate(rows) if n not in gone}
    found = held.nearest("shelf", wanted, 0.5)
    assert {one.digest for _, one in found} >= {name for name, score in scores.items() if score > 0.5001}
    assert {one.digest for _, one in found} <= {name for name, score in scores.items() if score > 0.4999}
    assert all(score == pytest.approx(scores[one.digest], abs=1e-4) for score, one in found)
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)


def test_the_length_of_a_vector_says_nothing() -> None:
    held = room()
    held.add("shelf", (30.0, 40.0), key("long"))
    [(score, _)] = held.nearest("shelf", (0.003, 0.004), 0.999)
    assert score == pytest.approx(1.0)
    assert score <= 1.0


def test_only_what_stands_on_the_same_shelf_is_compared() -> None:
    held = room()
    held.add("one", (1.0, 0.0), key("a"))
    assert held.nearest("other", (1.0, 0.0), 0.1) == []


def test_what_was_added_or_found_longest_ago_goes_first() -> None:
    held = room(3)
    for at, name in enumerate(("a", "b", "c")):
        held.add(f"shelf {at % 2}", (1.0, 0.1 * at), key(name))
    assert len(held) == 3
    held.touch("shelf 0", key("a"))
    held.add("shelf 0", (1.0, 0.5), key("d"))
    assert len(held) == 3
    assert names(held.nearest("shelf 1", (1.0, 0.1), 0.1)) == []
    assert set(names(held.nearest("shelf 0", (1.0, 0.0), 0.1))) == {"a", "c", "d"}


def test_the_same_question_takes_one_place() -> None:
    held = room(2)
    for _ in range(5):
        held.add("shelf", (1.0, 0.0), key("a"))
    held.add("shelf", (0.0, 1.0), key("b"))
    assert (len(held), names(held.nearest("shelf", (1.0, 0.0), 0.9))) == (2, ["a"])


def test_a_smaller_room_after_a_reload_holds_what_was_there_until_the_next_is_added() -> None:
    rooms = SimilarQuestions()
    for name in "abcd":
        rooms.room("route", 10).add("shelf", (1.0, 0.0), key(name))
    held = rooms.room("route", 2)
    held.add("shelf", (1.0, 0.0), key("e"))
    assert set(names(held.nearest("shelf", (1.0, 0.0), 0.9))) == {"d", "e"}


@pytest.mark.parametrize("row", [(0.0, 0.0), (float("nan"), 1.0), (float("inf"), 1.0), (1.0,), (1.0, 2.0, 3.0)])
def test_what_has_no_direction_or_another_size_is_like_nothing(row: tuple[float, ...]) -> None:
    held = room()
    held.add("shelf", (1.0, 0.0), key("a"))
    held.add("shelf", row, key("b"))
    assert (held.nearest("shelf", row, 0.0001), len(held)) == ([], 1)


def test_forgetting_what_is_not_there_is_nothing() -> None:
    held = room()
    held.forget("shelf", key("a"))
    held.add("shelf", (1.0, 0.0), key("a"))
    held.forget("shelf", key("b"))
    assert names(held.nearest("shelf", (1.0, 0.0), 0.9)) == ["a"]

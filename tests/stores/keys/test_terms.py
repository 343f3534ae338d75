"""Limits and tags of a stored key: what is written is what was asked for, bounded, and equal ones are written alike."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.stores.keys.terms import MAX_TAG_CHARS, MAX_TAGS, NOTHING, TermFault, limits_of, write_limits, write_tags
from gateway.types import Budget, Limit, Rate

ALL: dict[str, Any] = {
    "requests": ["60/minute", "1000 / day"],
    "tokens": "200000/hour",
    "characters": "5/day",
    "audio_seconds": "36/hour",
    "concurrent": 5,
    "budget": ["5 USD/day", "20 USD total"],
    "alert_percents": [80, 50, 80],
    "while_away": "closed",
}


def test_everything_that_is_written_is_read_again() -> None:
    assert limits_of(write_limits(ALL)) == (
        Limit(
            "key",
            rates=(
                ("requests", Rate(60, 60)),
                ("requests", Rate(1000, 86_400)),
                ("tokens", Rate(200_000, 3_600)),
                ("characters", Rate(5, 86_400)),
                ("audio_ms", Rate(36_000, 3_600)),
            ),
            concurrent=5,
            budgets=(Budget(5 * 10**9, "day"), Budget(20 * 10**9, "total")),
            while_away="closed",
            alert_percents=(50, 80),
        ),
    )


def test_nothing_is_no_limit() -> None:
    assert write_limits({}) == NOTHING
    assert limits_of(NOTHING) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"requests": "60/minute", "concurrent": 1}, {"concurrent": 1.0, "requests": [" 60/minute "]}),
        ({"budget": "5 USD/day"}, {"budget": ["5 USD/day"], "while_away": "local_share", "alert_percents": []}),
    ],
)
def test_equal_limits_are_written_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert write_limits(one) == write_limits(other)


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"requests": "many"}, "requests", "requests is 'many', which is not a rate; write 60/minute"),
        ({"tokens": ["0/hour"]}, "tokens", "admits nothing"),
        ({"tokens": ["1/hour", "60/hour"]}, "tokens", "given twice for the same time: '1/hour' and '60/hour'"),
        ({"requests": ["1/60 second", "60/minute"]}, "requests", "given twice for the same time"),
        ({"budget": "5 EUR/day"}, "budget", "is not a budget; write 5 USD/day"),
        ({"budget": ["5 USD/day", "6 USD/day"]}, "budget", "given twice"),
        ({"while_away": "open"}, "", "limits nothing; give requests"),
        ({"requests": []}, "", "limits nothing"),
    ],
)
def test_a_limit_that_is_none_is_named(given: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(TermFault) as caught:
        write_limits(given)
    assert caught.value.field == field
    assert said in str(caught.value)


@pytest.mark.parametrize("count", [MAX_TAGS - 1, MAX_TAGS, MAX_TAGS + 1])
def test_tags_are_so_many_at_most(count: int) -> None:
    tags = {f"tag-{number}": "x" for number in range(count)}
    if count <= MAX_TAGS:
        assert write_tags(tags).count(":") == count
        return
    with pytest.raises(TermFault, match="has 17 tags; 16 are the most"):
        write_tags(tags)


@pytest.mark.parametrize("length", [0, MAX_TAG_CHARS - 1, MAX_TAG_CHARS, MAX_TAG_CHARS + 1])
def test_a_tags_value_is_so_long_at_most(length: int) -> None:
    if length <= MAX_TAG_CHARS:
        assert write_tags({"team": "ö" * length}) == f'{{"team":"{"ö" * length}"}}'
        return
    with pytest.raises(TermFault, match="team has 257 characters"):
        write_tags({"team": "ö" * length})


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *[("a" * 63, True), ("a" * 64, True), ("a" * 65, False)],
        *[("", False), ("A_b-c.9", True), ("a b", False), ("a\n", False), ("ö", False), ("\ud800", False)],
    ],
)
def test_a_tags_name_is_one_word(name: str, is_one: bool) -> None:
    if is_one:
        assert write_tags({name: "x"}) == f'{{"{name}":"x"}}'
        return
    with pytest.raises(TermFault, match="is no name of a tag"):
        write_tags({name: "x"})


def test_tags_are_written_in_one_order_and_as_text_that_every_store_takes() -> None:
    assert write_tags({"b": "2", "a": "x\0\ud800"}) == write_tags({"a": "x\0\ud800", "b": "2"}) == '{"a":"x�?","b":"2"}'

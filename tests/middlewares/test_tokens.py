"""Estimates of tokens against what a real tokenizer counted, in many languages and kinds of text."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import json
from gateway.middlewares.tokens import SAMPLED_CHARS, estimated_tokens

SAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "token_samples.json").read_bytes())["samples"]
LEAST_TOKENS = 40  # in fewer, one rare word decides
ANY_TEXT = st.text(st.characters(), max_size=200)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["kind"])
def test_an_estimate_is_near_what_a_tokenizer_counts(sample: dict[str, Any]) -> None:
    assert sample["tokens"] >= LEAST_TOKENS
    assert 0.75 <= estimated_tokens(sample["text"]) / sample["tokens"] <= 1.35


def test_over_all_kinds_of_text_the_estimates_are_right() -> None:
    estimated = sum(estimated_tokens(sample["text"]) for sample in SAMPLES)
    assert estimated == pytest.approx(sum(sample["tokens"] for sample in SAMPLES), rel=0.05)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        (" ", 1),
        ("a", 1),
        ("hello", 1),
        ("hello there", 3),
        ("语", 1),
        ("語" * 40, 35),
        ("\ud800", 1),
        ("🎉", 2),
    ],
)
def test_a_text_that_is_begun_counts(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


@pytest.mark.parametrize(
    ("text", "milli_tokens"),
    [
        ("x", 188),
        (" x", 151 + 188 + 281),
        ("x ", 188 + 151),
        ("xY", 188 + 252 + 1_005),
        ("Yx", 252 + 188),
        ("x7", 188 + 713 + 969),
        ("7x", 713 + 188),
        (" xY x7", 2 * (151 + 188 + 281) + 252 + 1_005 + 713 + 969),
        ("7 Y", 713 + 151 + 252),
    ],
)
def test_what_stands_beside_a_small_letter_counts_as_a_pair(text: str, milli_tokens: int) -> None:
    assert estimated_tokens((text + "\n") * 1_000) == milli_tokens + 784


@given(ANY_TEXT, ANY_TEXT)
def test_a_longer_text_never_has_fewer_tokens_nor_more_than_its_parts(before: str, after: str) -> None:
    whole = estimated_tokens(before + after)
    assert max(estimated_tokens(before), estimated_tokens(after)) <= whole
    assert whole <= estimated_tokens(before) + estimated_tokens(after) + 2  # a pair may stand where they meet


@given(ANY_TEXT)
def test_no_text_of_characters_has_no_tokens(text: str) -> None:
    assert (estimated_tokens(text) > 0) is bool(text)


def test_a_long_text_is_judged_by_pieces_as_its_parts_are_together() -> None:
    order = Random(20261129)
    parts = [sample["text"] for sample in SAMPLES]
    while sum(map(len, parts)) < 20 * SAMPLED_CHARS:
        parts += order.sample(parts, len(SAMPLES))
    assert estimated_tokens("".join(parts)) == pytest.approx(sum(map(estimated_tokens, parts)), rel=0.1)


def test_the_estimate_does_not_leap_where_pieces_begin_to_stand_for_the_whole() -> None:
    text = "Good morning, item 42!\n" * SAMPLED_CHARS
    whole, sampled = estimated_tokens(text[:SAMPLED_CHARS]), estimated_tokens(text[: SAMPLED_CHARS + 1])
    assert sampled == pytest.approx(whole, rel=0.01)


@pytest.mark.parametrize(
    "text", ["Good morning, item 42!\n", "图书馆晚上开放。", "Доброе утро. "], ids=["ascii", "han", "cyrillic"]
)
def test_a_megabyte_does_not_hold_up_the_loop(text: str) -> None:
    long = text * (1_000_000 // len(text.encode()))
    started_s = time.perf_counter()
    estimated_tokens(long)
    assert time.perf_counter() - started_s < 0.2  # some 10 ms; a busy machine has its time

"""The small regular expressions agree with Python's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.sandbox.patterns import TooHard, found, parse, sample

ATOMS = st.sampled_from(["a", "b", ".", r"\d", r"\W", "[ab]", "[^a-c]", "[]x]", "[a-]", r"\.", "^", "$", "-"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.lists(inner, min_size=1, max_size=3).map("|".join)
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        )
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(pattern=PATTERNS, text=st.text("abcx-.1\n", max_size=8))
def test_a_text_is_found_where_python_finds_it(pattern: str, text: str) -> None:
    ends_before_newline = pattern.replace("$", r"\Z")  # Python's `$` also matches before a last newline
    assert found(parse(pattern), text) == bool(re.search(ends_before_newline, text))


@settings(max_examples=200, deadline=None)
@given(pattern=PATTERNS.filter(lambda pattern: "^" not in pattern and "$" not in pattern), extra=st.integers(0, 3))
def test_a_sample_matches(pattern: str, extra: int) -> None:
    assert re.fullmatch(pattern, sample(parse(pattern), extra))


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"\1", r"\b", r"\p{L}", "(?=a)", "(?<n>a)", "a**", "*", "(", ")", "[", "[z-a]", "a{3,1}", "\\"),
        "(" * 21 + ")" * 21,
        "a" * 1001,
    ],
)
def test_what_is_not_known_is_refused(pattern: str) -> None:
    with pytest.raises(TooHard):
        parse(pattern)


@pytest.mark.parametrize("pattern", ["(a{100}){100}", "a{4097}", r"[^\x00]"])
def test_what_is_too_long_or_odd_is_refused(pattern: str) -> None:
    with pytest.raises(TooHard):
        sample(parse(pattern))

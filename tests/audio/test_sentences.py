"""Cutting a long text: at sentences, in every script, to a limit in whatever unit, with nothing lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.sentences import (
    FIRST_CHARS,
    GROWTH,
    MAX_PART_CHARS,
    Fits,
    SentenceStream,
    Unspeakable,
    parts_of,
    sentences,
)

SENTENCE = "Dr. Smith met Mr. Jones at 5 p.m. on Monday. "


def chars(most: int) -> Fits:
    return lambda text: len(text) <= most


def utf8(most: int) -> Fits:
    return lambda text: len(text.encode()) <= most


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Dr. Smith paid $3.50, i.e. less than the U.S. average. |He left at 5 p.m. on Jan. 5th. |No. 7? |Yes!"),
        ("de", "Herr Dr. Müller kam am 3. Mai z.B. um fünf Uhr. |Das ist gut."),
        (None, "今天天气很好。|我们去公园吧！|你来吗？"),
        ("ja", "今日はいい天気です。|公園に行きましょう！"),
        ("hi-IN", "यह एक वाक्य है। |यह दूसरा वाक्य है। |क्या यह तीसरा है?"),
        ("ar", "هذه جملة. |هل هذه جملة أخرى؟ |نعم!"),
        ("th", "สวัสดีครับ วันนี้อากาศดี"),
        ("", "Mixed 今天很好。|Then English. |यह एक वाक्य है।"),
        ("klingon", "Unknown languages do too. |They have marks."),
    ],
)  # fmt: skip
def test_sentences_end_where_they_do_in_each_script(language: str | None, text: str) -> None:
    assert sentences(text.replace("|", ""), language) == text.split("|")


def test_what_cannot_be_spoken_is_no_part_of_its_own() -> None:
    assert sentences("One.\n\n***\n\nTwo. ... \n") == ["One.\n\n***\n\n", "Two. ... \n"]


def test_the_first_part_is_one_sentence_and_the_others_grow() -> None:
    parts = parts_of(SENTENCE * 400, chars(4_096))
    sizes = [len(part) for part in parts]
    assert parts[0] == SENTENCE
    assert sizes[1] <= FIRST_CHARS
    assert all(size <= max(FIRST_CHARS, GROWTH * before) for before, size in pairwise(sizes))
    assert max(sizes) <= MAX_PART_CHARS
    assert "".join(parts) == SENTENCE * 400
    assert all(part.endswith("Monday. ") for part in parts)


@pytest.mark.parametrize(
    ("most", "count"), [(len(SENTENCE) * 2 - 1, 9), (len(SENTENCE) * 2, 5), (len(SENTENCE) * 2 + 1, 5)]
)
def test_a_part_is_as_long_as_its_limit_and_no_longer(most: int, count: int) -> None:
    assert len(parts_of(SENTENCE * 9, chars(most))) == count


def test_a_limit_of_bytes_is_one_of_bytes() -> None:
    text = "今天天气很好。" * 300
    assert max(len(part.encode()) for part in parts_of(text, utf8(5_000))) <= 5_000


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("one two, three four five", 16, "one two, |three four five"),
        ("one two three four", 10, "one two |three four"),
        ("สวัสดีครับ วันนี้", 11, "สวัสดีครับ |วันนี้"),
        ("e\u0301" * 4, 3, "e\u0301|e\u0301|e\u0301|e\u0301"),
        ("👨‍👩‍👧👍🏽", 6, "👨‍👩‍👧|👍🏽"),
        ("🇩🇪🇫🇷", 3, "🇩🇪|🇫🇷"),
        ("เกเกเก", 3, "เก|เก|เก"),
        ("abcdef", 4, "abcd|ef"),
    ],
)
def test_a_sentence_that_is_too_long_is_cut_at_a_clause_a_word_or_a_character(text: str, most: int, cut: str) -> None:
    assert parts_of(text, chars(most)) == cut.split("|")


def test_a_text_of_which_nothing_is_taken_says_so() -> None:
    with pytest.raises(Unspeakable, match="not even one character"):
        parts_of("hello", chars(0))


@given(st.text(min_size=1, max_size=400), st.integers(4, 60))
def test_nothing_is_lost_and_everything_fits(text: str, most: int) -> None:
    parts = parts_of(text, chars(most))
    assert "".join(parts) == text
    assert all(0 < len(part) <= most for part in parts)


def test_without_growth_each_sentence_is_a_part() -> None:
    assert parts_of(SENTENCE * 9, chars(4_096), growth=0) == [SENTENCE] * 9


def streamed(text: str, size: int, language: str | None = None) -> list[str]:
    stream = SentenceStream(language)
    given = [part for at in range(0, len(text), size) for part in stream.feed(text[at : at + size])]
    return given + stream.flush()


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "One. Dr. Two is here at 3.5 p.m. today. Three! Four? Five, and no end",
        "\u4f60\u597d\u3002\u6211\u53eb\u674e\u660e\u3002\u4f60\u5462\uff1f",
        "x" * 10_000,
        "...",
        "",
    ],
)
def test_a_text_that_is_being_written_is_given_whole_in_whole_sentences(text: str, size: int) -> None:
    parts = streamed(text, size)
    assert "".join(parts) == ("" if text == "..." else text)
    if text.startswith("One"):
        assert parts[0] == "One. "
        assert all(part.rstrip()[-1:] in ".!?" for part in parts[:-1])


def test_the_first_sentence_does_not_wait_and_the_parts_grow() -> None:
    stream = SentenceStream()
    assert stream.feed("Hello there. H") == ["Hello there. "]
    text = "This is one of the many sentences that follow it. " * 40
    sizes = [len(part) for part in stream.feed(text)] + [len(part) for part in stream.flush()]
    assert sum(sizes) == len(text) + 1
    assert sizes[:3] == sorted(sizes[:3])
    assert len(sizes) < 9

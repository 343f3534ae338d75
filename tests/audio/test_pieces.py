"""Where recordings are cut, and how the pieces' transcripts become one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.pieces import OVERLAP_S, Piece, cut_up, joined, own, with_text
from gateway.types import Segment, Transcript, Word

LOUD = 8_000


def quiet_at(*pauses_s: float, seconds: int = 100, level: int = LOUD) -> list[tuple[float, int]]:
    return [(second + 0.5, 0 if second + 0.5 in pauses_s else level) for second in range(seconds)]


def test_a_cut_is_made_at_the_last_pause_that_is_late_enough() -> None:
    pieces = cut_up(0.0, 100.0, quiet_at(10.5, 40.5, 55.5, 58.5, 90.5), 60.0)
    assert pieces == [Piece(0.0, 58.5, 0.0, 58.5), Piece(58.5, 100.0, 58.5, 100.0)]


def test_where_nobody_pauses_both_pieces_hold_the_seconds_around_the_cut() -> None:
    quiet = quiet_at(level=LOUD)
    quiet[50] = (50.5, LOUD // 2)  # the quietest place, and no pause
    first, second = cut_up(0.0, 100.0, quiet, 60.0)
    assert first == Piece(0.0, 50.5 + OVERLAP_S, 0.0, 50.5)
    assert second == Piece(50.5 - OVERLAP_S, 100.0, 50.5, 100.0)


def test_a_noisy_room_has_pauses_too() -> None:
    quiet = [(second + 0.5, 400 if second % 10 == 9 else LOUD) for second in range(100)]
    assert cut_up(0.0, 100.0, quiet, 60.0)[0] == Piece(0.0, 59.5, 0.0, 59.5)


@pytest.mark.parametrize(("seconds", "count"), [(59.9, 1), (60.0, 1), (60.1, 2)])
def test_what_fits_is_one_piece(seconds: float, count: int) -> None:
    assert len(cut_up(0.0, seconds, quiet_at(50.5), 60.0)) == count


@given(
    st.floats(0, 50),
    st.floats(1, 3_000),
    st.floats(5 * OVERLAP_S, 600),
    st.lists(st.tuples(st.floats(0, 3_100), st.integers(0, 20_000)), max_size=60),
)
def test_pieces_follow_each_other_and_are_never_too_long(
    start_s: float, seconds: float, most_s: float, quiet: list[tuple[float, int]]
) -> None:
    pieces = cut_up(start_s, start_s + seconds, sorted(quiet), most_s)
    assert pieces[0].own_from_s == pieces[0].start_s == start_s
    assert pieces[-1].own_to_s == pieces[-1].end_s == start_s + seconds
    for piece in pieces:
        assert piece.seconds <= most_s + 1e-6
        assert start_s <= piece.start_s <= piece.own_from_s < piece.own_to_s <= piece.end_s
    for before, after in pairwise(pieces):
        assert before.own_to_s == after.own_from_s


def said(*words: tuple[str, float, float], segments: tuple[Segment, ...] = (), text: str | None = None) -> Transcript:
    made = tuple(Word(*word) for word in words)
    return Transcript(" ".join(word.text for word in made) if text is None else text, "en", None, segments, made)


FIRST, SECOND = Piece(0.0, 12.0, 0.0, 10.0), Piece(8.0, 20.0, 10.0, 20.0)


def test_times_are_those_of_the_recording() -> None:
    pieces = [
        (Piece(0.0, 10.0, 0.0, 10.0), said(("one", 1.0, 2.0))),
        (Piece(10.0, 20.0, 10.0, 20.0), said(("two", 1.0, 2.0))),
    ]
    whole = joined(pieces, 20.0)
    assert whole == Transcript("one two", "en", 20.0, (), (Word("one", 1.0, 2.0), Word("two", 11.0, 12.0)))


def test_words_that_both_heard_are_there_once() -> None:
    first = said(("a", 1.0, 2.0), ("b", 8.5, 9.0), ("c", 9.6, 10.6), ("d", 11.0, 11.9))
    second = said(("b", 0.5, 1.0), ("C", 1.7, 2.6), ("d", 3.0, 3.9), ("e", 5.0, 6.0))
    assert joined([(FIRST, first), (SECOND, second)], 20.0).text == "a b C d e"


def test_a_segment_across_a_cut_is_shared_out_by_its_words() -> None:
    first = said(("a", 8.0, 9.0), ("b", 10.2, 11.0), segments=(Segment("a b", 8.0, 11.0),))
    second = said(("a", 0.0, 1.0), ("b", 2.2, 3.0), ("c", 6.0, 7.0), segments=(Segment("a b c", 0.0, 7.0),))
    whole = joined([(FIRST, first), (SECOND, second)], 20.0)
    assert whole.text == "a b c"
    assert [(each.text, each.start_s, each.end_s) for each in whole.segments] == [("a", 8.0, 9.0), ("b c", 10.2, 15.0)]


def test_without_times_the_same_words_are_found_by_what_they_are() -> None:
    first, second = Transcript("It was late, and then he"), Transcript("And then he went home.")
    assert joined([(FIRST, first), (SECOND, second)], 20.0).text == "It was late, and then he went home."


def test_at_a_pause_a_word_may_be_said_twice() -> None:
    pieces = [
        (Piece(0.0, 10.0, 0.0, 10.0), Transcript("No.")),
        (Piece(10.0, 20.0, 10.0, 20.0), Transcript("No. Never.")),
    ]
    assert joined(pieces, 20.0).text == "No. No. Never."


def test_a_piece_in_which_nobody_speaks_adds_nothing() -> None:
    silent = (Piece(10.0, 20.0, 10.0, 20.0), Transcript(""))
    whole = joined(
        [
            (Piece(0.0, 10.0, 0.0, 10.0), Transcript("One.")),
            silent,
            (Piece(20.0, 30.0, 20.0, 30.0), Transcript("Two.")),
        ],
        30.0,
    )
    assert whole.text == "One. Two."


def test_speakers_of_another_piece_are_others() -> None:
    spoken = Transcript("a", segments=(Segment("a", 0.0, 1.0, speaker="A"),), words=(Word("a", 0.0, 1.0, speaker="A"),))
    piece = Piece(0.0, 10.0, 0.0, 10.0)
    assert [own(piece, spoken, number).words[0].speaker for number in (0, 1)] == ["A", "2-A"]


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        ("One.", "Two.", "One. Two."),
        ("今天很好。", "我们走吧。", "今天很好。我们走吧。"),
        ("สวัสดี", "ครับ", "สวัสดีครับ"),
        ("", "a", "a"),
        ("a", "", "a"),
    ],
)
def test_texts_are_joined_as_their_script_is_written(before: str, after: str, whole: str) -> None:
    assert with_text(before, after) == whole

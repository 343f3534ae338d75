"""What a vendor counts moves the estimates of its target, a little at a time and never far."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.calibration import LEAST, LEAST_TOKENS, MAX_TARGETS, MOST, NEWS, Calibration


def test_a_target_that_has_not_answered_is_estimated_plainly() -> None:
    assert Calibration().factor("a/m") == 1.0


def test_one_answer_moves_a_factor_by_a_tenth_of_the_way() -> None:
    calibration = Calibration()
    calibration.learn("a/m", 1_000, 1_500)
    assert calibration.factor("a/m") == pytest.approx(1 + NEWS * 0.5)
    assert calibration.factor("b/m") == 1.0


def test_a_factor_follows_a_tokenizer_that_changes() -> None:
    calibration = Calibration()
    for actual in [1_400] * 80 + [700] * 80:
        calibration.learn("a/m", 1_000, actual)
    assert calibration.factor("a/m") == pytest.approx(0.7, abs=0.001)


@pytest.mark.parametrize(
    ("estimated", "is_learnt"), [(0, False), (LEAST_TOKENS - 1, False), (LEAST_TOKENS, True), (LEAST_TOKENS + 1, True)]
)
def test_a_short_text_says_nothing(estimated: int, is_learnt: bool) -> None:
    calibration = Calibration()
    calibration.learn("a/m", estimated, 2 * LEAST_TOKENS)
    assert (calibration.factor("a/m") != 1.0) is is_learnt


@pytest.mark.parametrize("actual", [0, -1])
def test_a_vendor_that_counts_nothing_says_nothing(actual: int) -> None:
    calibration = Calibration()
    calibration.learn("a/m", 1_000, actual)
    assert calibration.factor("a/m") == 1.0


@pytest.mark.parametrize(("actual", "end"), [(1, LEAST), (500, 0.5), (2_500, 2.5), (2_501, MOST), (10**12, MOST)])
def test_a_factor_ends_at_its_bounds(actual: int, end: float) -> None:
    calibration = Calibration()
    for _ in range(300):
        calibration.learn("a/m", 1_000, actual)
    assert calibration.factor("a/m") == pytest.approx(end)


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(-10, 10**12)), max_size=60))
def test_no_answers_take_a_factor_out_of_its_bounds(answers: list[tuple[int, int]]) -> None:
    calibration = Calibration()
    for estimated, actual in answers:
        calibration.learn("a/m", estimated, actual)
        assert LEAST <= calibration.factor("a/m") <= MOST


def test_the_target_that_learnt_longest_ago_is_forgotten_first() -> None:
    calibration = Calibration()
    for number in range(MAX_TARGETS):
        calibration.learn(f"target-{number}", 100, 200)
    calibration.learn("target-0", 100, 200)
    assert calibration.factor("target-1") != 1.0
    calibration.learn("another", 100, 200)
    assert calibration.factor("target-1") == 1.0
    assert calibration.factor("target-0") != 1.0
    assert calibration.factor("target-2") != 1.0

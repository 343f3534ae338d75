"""Request rates over a sliding window: exact at the limit, all or none, honest about the wait, constant in time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from limits import parse
from limits.strategies import SlidingWindowCounterRateLimiter

from gateway.stores.limits.windows import FORGOTTEN_PER_HIT, GRAIN_S, WindowStorage, counted
from gateway.types import Rate
from tests.given import Clock
from tests.stores.limits.counting import Rates

MINUTE_START_S = 1_000_020.0  # a multiple of 60: where a window of a minute begins


def storage_of(rates: Rates) -> WindowStorage:
    return rates.counters._windows


def taken(rates: Rates, limits: list[Rate], who: str, count: int) -> int:
    """Ask `count` times; return how often it was granted."""
    return sum(rates.take(limits, who) is None for _ in range(count))


def at(seconds: float = MINUTE_START_S) -> tuple[Clock, Rates]:
    clock = Clock(seconds)
    return clock, Rates(clock)


@pytest.mark.parametrize(
    ("text", "amount", "window_s"),
    [
        ("60/minute", 60, 60),
        ("1/second", 1, 1),
        ("1000/hour", 1000, 3600),
        ("5/10 minute", 5, 600),
        ("9/day", 9, 86400),
    ],
)
def test_a_rate_is_read(text: str, amount: int, window_s: int) -> None:
    rate = Rates.parse(text)
    assert (rate.amount, rate.window_s) == (amount, window_s)


@pytest.mark.parametrize("text", ["", "60", "sixty/minute", "60/fortnight", "-1/minute"])
def test_what_is_no_rate_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Rates.parse(text)


@pytest.mark.parametrize(("asked", "granted"), [(4, 4), (5, 5), (6, 5), (50, 5)])
def test_exactly_the_limit_is_granted(asked: int, granted: int) -> None:
    _, rates = at()
    assert taken(rates, [Rates.parse("5/minute")], "k", asked) == granted


def test_callers_do_not_share_a_limit() -> None:
    _, rates = at()
    limit = [Rates.parse("2/minute")]
    assert [taken(rates, limit, who, 9) for who in ("a", "b", "a/2/1", "")] == [2, 2, 2, 2]


def test_the_window_slides_and_does_not_reset() -> None:
    clock, rates = at()
    limit = [Rates.parse("10/minute")]
    assert taken(rates, limit, "k", 20) == 10
    clock.now_s = MINUTE_START_S + 59.9
    assert taken(rates, limit, "k", 20) == 0
    clock.now_s = MINUTE_START_S + 60  # the count of the window before still weighs in full
    assert taken(rates, limit, "k", 20) == 0
    clock.now_s = MINUTE_START_S + 90  # half of it is left
    assert taken(rates, limit, "k", 20) == 5
    clock.now_s = MINUTE_START_S + 240
    assert taken(rates, limit, "k", 20) == 10


def test_a_refusal_consumes_nothing() -> None:
    """Pain 16: hammering at a closed door does not keep it closed."""
    clock, rates = at()
    limit = [Rates.parse("5/minute")]
    taken(rates, limit, "k", 5)
    left = rates.left(limit[0], "k")
    for _ in range(1000):
        assert rates.take(limit, "k") is not None
    assert rates.left(limit[0], "k") == left
    clock.now_s += 120
    assert taken(rates, limit, "k", 9) == 5


def test_all_rates_are_hit_or_none() -> None:
    clock, rates = at()
    fast, slow = Rates.parse("5/minute"), Rates.parse("8/hour")
    assert taken(rates, [fast, slow], "k", 20) == 5
    assert (rates.left(fast, "k")[0], rates.left(slow, "k")[0]) == (0, 3)
    clock.now_s += 120
    assert taken(rates, [fast, slow], "k", 20) == 3
    assert (rates.left(fast, "k")[0], rates.left(slow, "k")[0]) == (2, 0)


def test_the_rate_with_the_longest_wait_is_named() -> None:
    _, rates = at()
    fast, slow = Rates.parse("5/minute"), Rates.parse("5/hour")
    taken(rates, [fast, slow], "k", 5)
    for order in ([fast, slow], [slow, fast]):
        refused = rates.take(order, "k")
        assert refused is not None
        assert refused.rate is slow


@pytest.mark.parametrize(("limit", "at_s"), [("1/minute", 0), ("60/minute", 0), ("60/minute", 59.5), ("3/hour", 1000)])
def test_after_the_wait_one_request_passes_and_a_moment_before_it_does_not(limit: str, at_s: float) -> None:
    clock, rates = at(7200.0 * 150 + at_s)
    rate = Rates.parse(limit)
    taken(rates, [rate], "k", rate.amount)
    refused = rates.take([rate], "k")
    assert refused is not None
    assert 0 < refused.wait_s <= rate.window_s + GRAIN_S
    clock.now_s += refused.wait_s - 2 * GRAIN_S
    assert rates.take([rate], "k") is not None
    clock.now_s += 2 * GRAIN_S
    assert taken(rates, [rate], "k", 2) == 1


@example(limits=["1/second"], history=[(0.0, 1), (1.0, 0)])
@given(
    st.sampled_from([["1/second"], ["7/minute"], ["3/second", "20/minute"], ["2/minute", "9/hour"], ["100/2 minute"]]),
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 12)), max_size=12),
)
def test_the_wait_is_right_after_any_history(limits: list[str], history: list[tuple[float, int]]) -> None:
    clock, rates = at()
    asked = [Rates.parse(text) for text in limits]
    for pause_s, count in history:
        clock.now_s += pause_s
        taken(rates, asked, "k", count)
    refused = rates.take(asked, "k")
    while refused is None:
        refused = rates.take(asked, "k")
    begun_s = clock.now_s
    if refused.wait_s > 2 * GRAIN_S:  # where a window has just begun it is a grain alone, and no clock goes back
        clock.now_s = begun_s + refused.wait_s - 2 * GRAIN_S
        assert rates.take(asked, "k") is not None
    clock.now_s = begun_s + refused.wait_s
    assert rates.take(asked, "k") is None


@given(st.lists(st.tuples(st.floats(0, 70), st.integers(0, 9)), min_size=1, max_size=9))
def test_all_is_left_after_the_reset_and_not_before(history: list[tuple[float, int]]) -> None:
    clock, rates = at()
    rate = Rates.parse("6/minute")
    for pause_s, count in history:
        clock.now_s += pause_s
        taken(rates, [rate], "k", count)
    left, reset_s = rates.left(rate, "k")
    assert 0 <= left <= 6
    assert 0 <= reset_s <= 2 * rate.window_s
    if reset_s > 2 * GRAIN_S:
        clock.now_s += reset_s - GRAIN_S
        assert rates.left(rate, "k")[0] < 6
        clock.now_s += 2 * GRAIN_S
    assert rates.left(rate, "k")[0] == 6


def test_what_is_left_is_granted() -> None:
    clock, rates = at()
    rate = Rates.parse("6/minute")
    taken(rates, [rate], "k", 6)
    clock.now_s += 77
    left, _ = rates.left(rate, "k")
    assert 0 < left < 6
    assert taken(rates, [rate], "k", 20) == left


def test_asking_what_is_left_remembers_nobody() -> None:
    _, rates = at()
    assert rates.left(Rates.parse("6/minute"), "stranger") == (6, 0.0)
    assert len(storage_of(rates)) == 0


def test_strangers_are_forgotten_once_their_windows_are_over() -> None:
    clock, rates = at()
    limit = [Rates.parse("6/minute")]
    for index in range(1000):
        rates.take(limit, f"stranger-{index}")
    assert len(storage_of(rates)) == 1000
    clock.now_s += 120
    for _ in range(1000 // FORGOTTEN_PER_HIT + 1):
        clock.now_s += 12
        assert rates.take(limit, "regular") is None
    assert len(storage_of(rates)) == 1


def test_one_caller_who_is_refused_on_and_on_keeps_no_others_in_memory() -> None:
    clock, rates = at()
    fast, slow = Rates.parse("100/minute"), Rates.parse("1/day")
    rates.take([fast, slow], "hammer")
    for index in range(100):
        rates.take([fast], f"stranger-{index}")
    for _ in range(100):
        clock.now_s += 120
        assert rates.take([fast, slow], "hammer") is not None
        rates.take([fast], "regular")
    assert len(storage_of(rates)) <= 3  # the regular's minute, the hammer's day, and perhaps his minute


def test_forgetting_changes_no_count() -> None:
    clock, rates = at()
    limit = [Rates.parse("4/minute")]
    taken(rates, limit, "k", 4)
    clock.now_s += 90
    for index in range(100):
        rates.take(limit, f"s{index}")
    assert taken(rates, limit, "k", 9) == 2


class Counting(OrderedDict[str, Any]):
    """Counts what is done to it."""

    operations = 0

    def _count(self) -> None:
        Counting.operations += 1

    def get(self, *given: Any) -> Any:
        self._count()
        return super().get(*given)

    def setdefault(self, *given: Any) -> Any:
        self._count()
        return super().setdefault(*given)

    def __setitem__(self, *given: Any) -> None:
        self._count()
        super().__setitem__(*given)

    def __delitem__(self, *given: Any) -> None:
        self._count()
        super().__delitem__(*given)

    def move_to_end(self, *given: Any) -> None:
        self._count()
        super().move_to_end(*given)

    def items(self) -> Any:
        for item in super().items():
            self._count()
            yield item


def test_a_hit_takes_as_many_steps_with_10_000_keys_as_with_one() -> None:
    clock, rates = at()
    limit = [Rates.parse("1000000/minute")]
    storage_of(rates)._tables[60] = Counting()
    most = {}
    for keys in (1, 10_000):
        steps = []
        for index in range(keys):
            rates.take(limit, f"k{index}")
        for index in range(200):
            clock.now_s += 0.7  # over the ends of windows, too
            before = Counting.operations
            rates.take(limit, f"k{index * 37 % keys}")
            steps.append(Counting.operations - before)
        most[keys] = max(steps)
    assert most[10_000] <= most[1] + 2 * FORGOTTEN_PER_HIT
    assert most[10_000] < 20


@given(
    st.sampled_from(["3/second", "7/minute", "50/hour"]),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 9)), max_size=20),
)
def test_the_package_limits_counts_the_same(text: str, history: list[tuple[float, int]]) -> None:
    """Its own strategy over the same storage is the oracle."""
    clock, rates = at()
    rate, item = Rates.parse(text), parse(text)
    oracle = SlidingWindowCounterRateLimiter(WindowStorage(clock))
    for pause_s, count in history:
        clock.now_s += pause_s
        for _ in range(count):
            assert (rates.take([rate], "k") is None) == oracle.hit(item, "k")
        assert rates.left(rate, "k")[0] == oracle.get_window_stats(item, "k").remaining


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9)), max_size=20))
def test_counters_that_were_looked_at_are_added_to_as_those_that_were_not(history: list[tuple[float, int]]) -> None:
    clock = Clock(MINUTE_START_S)
    looked, unseen = WindowStorage(clock), WindowStorage(clock)
    for pause_s, amount in history:
        clock.now_s += pause_s
        window = looked.add("k", 60, amount, clock(), looked.rolled("k", 60, clock()))
        assert window == unseen.add("k", 60, amount, clock())


@pytest.mark.parametrize(("after_s", "left"), [(0, 90), (59, 90), (60, 90), (119.99, 100), (120, 100)])
def test_an_estimate_is_corrected_in_the_window_in_which_it_was_held(after_s: float, left: int) -> None:
    clock = Clock(MINUTE_START_S)
    windows = WindowStorage(clock)
    number = windows.add("k", 60, 50, clock())[0]
    clock.now_s += after_s
    windows.correct("k", 60, number, 10 - 50)
    assert 100 - counted(windows.rolled("k", 60, clock()), 60, clock()) == left


def test_a_correction_never_makes_a_debt_of_the_limit() -> None:
    clock = Clock(MINUTE_START_S)
    windows = WindowStorage(clock)
    windows.correct("nobody", 60, 1, -5)
    windows.correct("k", 60, windows.add("k", 60, 5, clock())[0], -50)
    assert [counted(windows.rolled(key, 60, clock()), 60, clock()) for key in ("k", "nobody")] == [0, 0]

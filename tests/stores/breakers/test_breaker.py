"""One breaker, moved by hand: what opens it, for how long, and how it comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.stores.breakers.breaker import MAX_SLOW_S, MAX_TOLD_S, Breaker, Failure, State, Trial
from gateway.types import BreakerPolicy

POLICY = BreakerPolicy(consecutive=3, error_percent=50, window_s=10, min_requests=6, open_s=1, max_open_s=4, return_s=2)
DOWN = Failure("upstream_unavailable")


class Bench:
    """A breaker, its clock, and what it was drawn: 0, so that no ejection is shorter than its back-off."""

    def __init__(self, policy: BreakerPolicy = POLICY) -> None:
        self.now_s = 100.0
        self.drawn = 0.0
        self.moves: list[tuple[State, State]] = []
        self.breaker = Breaker(policy, self.now_s, lambda: self.drawn, self._moved)

    def _moved(self, breaker: Breaker, before: State) -> None:
        self.moves.append((before, breaker.state))

    def begin(self) -> Trial:
        return self.breaker.begin(self.now_s)

    def content(self, trial: Trial, after_s: float = 0.1) -> None:
        self.breaker.content(trial, after_s, self.now_s)

    def end(self, trial: Trial, failure: Failure | None = None) -> None:
        self.breaker.end(trial, self.now_s, failure)

    def leave(self, trial: Trial) -> None:
        self.breaker.end(trial, self.now_s, says_nothing=True)

    def fail(self, times: int = 1, failure: Failure = DOWN) -> None:
        for _ in range(times):
            self.end(self.begin(), failure)

    def succeed(self, times: int = 1) -> None:
        for _ in range(times):
            trial = self.begin()
            self.content(trial)
            self.end(trial)

    def cut(self, times: int = 1) -> None:
        for _ in range(times):
            trial = self.begin()
            self.content(trial)
            self.end(trial, Failure("upstream_cut"))

    def state(self) -> State:
        return self.breaker.state

    def is_refused(self) -> bool:
        return self.breaker.refusal(self.now_s) is not None


@pytest.mark.parametrize(("failures", "state"), [(2, "closed"), (3, "open")])
def test_failures_in_a_row_open_it(failures: int, state: State) -> None:
    bench = Bench()
    bench.fail(failures)
    assert bench.state() == state


@pytest.mark.parametrize(("cuts", "state"), [(2, "closed"), (3, "open")])
def test_streams_cut_in_a_row_open_it(cuts: int, state: State) -> None:
    bench = Bench()
    bench.cut(cuts)
    assert bench.state() == state


def test_a_success_between_begins_the_row_anew() -> None:
    bench = Bench(replace(POLICY, min_requests=1000))
    for _ in range(10):
        bench.fail(2)
        bench.succeed()
    assert bench.state() == "closed"


def test_content_alone_begins_the_row_of_silent_ones_anew_but_not_that_of_cut_ones() -> None:
    bench = Bench()
    bench.fail(2)
    bench.content(bench.begin())  # a long stream that is well, and not over
    bench.fail(2)
    assert bench.state() == "closed"
    bench = Bench()
    bench.cut(2)
    bench.content(bench.begin())
    bench.cut(1)
    assert bench.state() == "open"


@pytest.mark.parametrize(
    ("good", "bad", "state"),
    [
        (3, 2, "closed"),  # one below the least number
        (3, 3, "open"),  # at the least number and at the share
        (4, 3, "closed"),  # below the share
        (4, 4, "open"),
    ],
)
def test_a_share_of_failures_opens_it_from_a_least_number_on(good: int, bad: int, state: State) -> None:
    bench = Bench(replace(POLICY, consecutive=100))
    bench.succeed(good)
    bench.fail(bad)
    assert bench.state() == state


def test_the_share_is_of_the_window_only() -> None:
    bench = Bench(replace(POLICY, consecutive=100))
    bench.fail(5)
    bench.now_s += 11
    bench.fail(1)
    assert bench.state() == "closed"


def test_an_ejection_ends_after_its_time_and_one_call_finds_out() -> None:
    bench = Bench()
    bench.fail(3)
    bench.now_s += 0.99
    assert bench.is_refused()
    bench.now_s += 0.02
    assert not bench.is_refused()
    assert bench.state() == "open"  # nobody has asked as yet
    probe = bench.begin()
    assert bench.state() == "half_open"
    assert bench.is_refused()
    bench.content(probe)
    assert bench.state() == "returning"
    bench.end(probe)
    bench.now_s += 2.0
    bench.breaker.settle(bench.now_s)
    assert bench.moves == [
        ("closed", "open"), ("open", "half_open"), ("half_open", "returning"), ("returning", "closed")
    ]  # fmt: skip


def test_ejections_double_up_to_their_cap_and_begin_small_again_after_a_whole_return() -> None:
    bench = Bench()
    bench.fail(3)
    waits = [bench.breaker.until_s - bench.now_s]
    for _ in range(3):
        bench.now_s = bench.breaker.until_s
        bench.fail()
        waits.append(bench.breaker.until_s - bench.now_s)
    assert waits == [1, 2, 4, 4]
    bench.now_s = bench.breaker.until_s
    bench.succeed()
    bench.now_s += 1.99
    bench.fail(3)  # within the return: it goes on growing
    assert bench.breaker.until_s - bench.now_s == 4
    bench.now_s = bench.breaker.until_s
    bench.succeed()
    bench.now_s += 2
    bench.fail(3)
    assert bench.breaker.until_s - bench.now_s == 1


@pytest.mark.parametrize(("drawn", "wait_s"), [(0.0, 1.0), (0.5, 0.9), (1.0, 0.8)])
def test_jitter_takes_up_to_a_fifth_away(drawn: float, wait_s: float) -> None:
    bench = Bench()
    bench.drawn = drawn
    bench.fail(3)
    assert bench.breaker.until_s - bench.now_s == pytest.approx(wait_s)


def test_who_took_long_to_fail_is_out_for_as_long_at_least() -> None:
    bench = Bench()
    for took_s, out_s in ((20.0, 20.0), (MAX_SLOW_S + 40, MAX_SLOW_S)):
        probes = [bench.begin() for _ in range(3)]
        bench.now_s += took_s
        for probe in probes:
            bench.end(probe, DOWN)
        assert bench.breaker.until_s - bench.now_s == out_s
        bench.breaker.reset(bench.now_s)


def test_what_the_vendor_asks_for_is_kept_at_once() -> None:
    bench = Bench()
    bench.fail(1, Failure("upstream_rate_limited", retry_after_s=30.0))
    assert bench.state() == "open"
    assert bench.breaker.is_told
    bench.now_s += 29.9
    assert bench.is_refused()
    bench.now_s += 0.1
    assert not bench.is_refused()
    bench.fail(1, Failure("upstream_rate_limited", retry_after_s=0.1))  # of a probe: never less than the back-off
    assert bench.breaker.until_s - bench.now_s == 1


def test_a_wait_of_nothing_counts_as_a_failure_and_a_wait_of_days_as_an_hour() -> None:
    bench = Bench()
    bench.fail(2, Failure("upstream_rate_limited", retry_after_s=0.0))
    assert bench.state() == "closed"
    bench.fail(1, Failure("upstream_rate_limited", retry_after_s=200_000.0))
    assert bench.breaker.until_s - bench.now_s == MAX_TOLD_S


def test_a_probe_that_says_nothing_frees_the_place_of_another() -> None:
    bench = Bench()
    bench.fail(3)
    bench.now_s += 1
    bench.leave(bench.begin())
    assert bench.state() == "half_open"
    assert not bench.is_refused()
    bench.succeed()
    assert bench.state() == "returning"


def test_attempts_from_before_the_ejection_say_nothing_after_it() -> None:
    bench = Bench()
    old = [bench.begin() for _ in range(5)]
    bench.fail(3)
    bench.content(old[0])
    bench.end(old[0])
    bench.end(old[1], DOWN)
    assert bench.state() == "open"
    bench.now_s += 1
    probe = bench.begin()
    bench.end(old[2], DOWN)
    assert bench.state() == "half_open"
    bench.content(probe)
    bench.end(probe)
    for late in old[3:]:
        bench.end(late, DOWN)
    assert (bench.state(), bench.breaker.silent, bench.breaker.in_flight, bench.breaker.waiting) == (
        "returning",
        0,
        0,
        0,
    )


def test_the_share_of_calls_grows_while_it_returns() -> None:
    bench = Bench()
    bench.fail(3)
    bench.now_s += 1
    bench.succeed()
    for after_s, share in ((0.0, 0.1), (0.1, 0.1), (1.0, 0.5), (1.9, 0.95)):
        at_s = bench.breaker.since_s + after_s
        assert bench.breaker.share(at_s) == pytest.approx(share)
        bench.drawn = share - 0.01
        assert bench.breaker.refusal(at_s) is None
        bench.drawn = share + 0.01
        refusal = bench.breaker.refusal(at_s)
        assert refusal is not None
        assert not refusal.is_hard
    bench.now_s = bench.breaker.since_s + 2
    assert not bench.is_refused()
    assert bench.state() == "closed"


def test_once_one_failed_no_more_wait_for_it_than_it_takes_to_open_it() -> None:
    bench = Bench()
    waiting = [bench.begin() for _ in range(50)]
    assert not bench.is_refused()  # nothing has failed
    bench.end(waiting.pop(), DOWN)
    assert bench.is_refused()
    for one in waiting[1:]:
        bench.leave(one)
    assert not bench.is_refused()  # one has failed and one is waiting: a third may try
    second = bench.begin()
    assert bench.is_refused()
    bench.content(second)
    assert not bench.is_refused()


def test_success_of_a_call_that_nobody_else_could_serve_closes_it_early() -> None:
    bench = Bench()
    bench.fail(3)
    bench.fail(5)  # asked all the same, and it is out no longer for that
    assert bench.breaker.until_s - bench.now_s == 1
    bench.fail(1, Failure("upstream_unavailable", retry_after_s=3.0))
    assert bench.breaker.until_s - bench.now_s == 3
    bench.succeed()
    assert bench.state() == "returning"


def test_an_admin_ends_an_ejection() -> None:
    bench = Bench()
    bench.fail(3)
    under_way = bench.begin()
    bench.breaker.reset(bench.now_s)
    assert bench.state() == "closed"
    bench.end(under_way, DOWN)
    assert bench.breaker.silent == 0
    bench.fail(3)
    assert bench.breaker.until_s - bench.now_s == 1


def test_other_numbers_hold_from_now_on_and_a_new_window_begins_empty() -> None:
    bench = Bench(replace(POLICY, consecutive=100))
    bench.fail(4)
    bench.breaker.use(replace(POLICY, consecutive=100, window_s=20))
    assert bench.breaker.counts(bench.now_s) == (0, 0)
    bench.fail(5)
    assert bench.state() == "closed"
    bench.breaker.use(replace(POLICY, consecutive=10, window_s=20))
    assert bench.breaker.counts(bench.now_s) == (0, 5)
    bench.fail(1)
    assert bench.state() == "open"


def test_it_remembers_how_long_the_first_content_takes_and_what_failed_last() -> None:
    bench = Bench()
    for after_s in (1.0, 2.0):
        trial = bench.begin()
        bench.content(trial, after_s)
        bench.end(trial)
    assert bench.breaker.first_content_s == pytest.approx(1.2)
    bench.now_s += 1
    bench.fail(1, Failure("upstream_cut"))
    assert (bench.breaker.last_error, bench.breaker.last_error_s) == ("upstream_cut", bench.now_s)


# ---------------------------------------------------------------- requests beside the calls


def test_a_probe_that_finds_the_vendor_there_lets_one_call_find_out_at_once() -> None:
    bench = Bench()
    bench.fail(3)
    assert bench.is_refused()
    bench.breaker.probed(DOWN, bench.now_s)
    assert bench.is_refused()
    bench.breaker.probed(None, bench.now_s)
    assert not bench.is_refused()
    trial = bench.begin()
    assert bench.state() == "half_open"
    assert bench.is_refused(), "one at a time"
    bench.content(trial)
    assert bench.state() == "returning"


def test_a_probe_that_misled_is_believed_again_only_when_the_target_was_back() -> None:
    bench = Bench()
    bench.fail(3)
    bench.breaker.probed(None, bench.now_s)
    bench.fail()
    assert bench.state() == "open"
    assert not bench.breaker.may_be_probed(bench.now_s, is_always=False)
    bench.breaker.probed(None, bench.now_s)
    assert bench.is_refused()
    bench.now_s += 2
    bench.succeed()
    bench.fail(3)
    assert bench.breaker.may_be_probed(bench.now_s, is_always=False)
    bench.breaker.probed(None, bench.now_s)
    assert not bench.is_refused()


def test_a_call_that_finds_out_in_its_own_time_is_no_probes_fault() -> None:
    bench = Bench()
    bench.fail(3)
    bench.now_s += 1
    bench.breaker.probed(None, bench.now_s)  # its time was over already
    bench.fail()
    bench.breaker.probed(None, bench.now_s)
    assert not bench.is_refused()


def test_no_probe_ends_what_the_vendor_asked_for() -> None:
    bench = Bench()
    bench.fail(1, Failure("upstream_rate_limited", 60.0))
    for is_always in (False, True):
        assert not bench.breaker.may_be_probed(bench.now_s, is_always=is_always)
    bench.breaker.probed(None, bench.now_s)
    assert bench.is_refused()


@pytest.mark.parametrize(("failures", "state"), [(2, "closed"), (3, "open")])
def test_probes_that_fail_in_a_row_open_it_and_a_good_one_begins_anew(failures: int, state: State) -> None:
    bench = Bench()
    for failure in (DOWN, DOWN, None, *[DOWN] * failures):
        bench.breaker.probed(failure, bench.now_s)
    assert bench.state() == state
    assert bench.breaker.ejections == (state == "open")
    assert bench.breaker.counts(bench.now_s) == (0, 0)


def test_it_is_probed_while_it_is_out_or_always() -> None:
    bench = Bench()
    may = bench.breaker.may_be_probed
    assert (may(bench.now_s, is_always=False), may(bench.now_s, is_always=True)) == (False, True)
    bench.fail(3)
    assert (may(bench.now_s, is_always=False), may(bench.now_s, is_always=True)) == (True, True)
    bench.now_s += 1
    assert not may(bench.now_s, is_always=False), "its time is over; the next call finds out"

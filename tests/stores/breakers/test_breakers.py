"""All breakers together: whom they keep calls from, whom never, and what a reload keeps."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from gateway.errors import UpstreamRateLimited, UpstreamUnavailable
from gateway.stores.breakers import Breakers
from gateway.telemetry.metrics import Metrics
from gateway.types import BreakerPolicy, Target
from tests.given import Clock, call, target

POLICY = BreakerPolicy(consecutive=2, open_s=1, max_open_s=4, return_s=2)


def at(name: str, policy: BreakerPolicy = POLICY) -> Target:
    made = target(name)
    return replace(made, provider=replace(made.provider, breaker=policy))


A, B, C, D = (at(f"{name}/m") for name in "abcd")


class Bench:
    def __init__(self, *targets: Target) -> None:
        self.clock = Clock()
        self.metrics = Metrics()
        self.drawn = 0.0
        self.breakers = Breakers(self.metrics, self.clock, lambda: self.drawn)
        self.breakers.use(targets)

    def fail(self, target: Target, error: BaseException | None = None, times: int = 2) -> None:
        for _ in range(times):
            watched = self.breakers.began(target)
            assert watched is not None
            watched.ended(target, error if error is not None else UpstreamUnavailable("no"))

    def left(self, *targets: Target) -> list[str]:
        """Return the names of those that a call with these targets may ask."""
        asked = call(targets=targets)
        return [one.name for one in targets if self.breakers.reason(asked, one) is None]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def test_an_ejected_target_is_passed_by_with_the_reason() -> None:
    bench = Bench(A, B)
    bench.fail(A)
    assert bench.left(A, B) == ["b/m"]
    reason = bench.breakers.reason(call(targets=(A, B)), A)
    assert reason == "is ejected for 1.0 s more (upstream_unavailable)"
    assert bench.breakers.is_out(A)
    assert not bench.breakers.is_out(B)


def test_the_only_one_that_could_serve_is_asked_all_the_same() -> None:
    bench = Bench(A, B)
    bench.fail(A)
    assert bench.left(A) == ["a/m"]


def test_of_all_that_are_ejected_the_one_whose_time_ends_first_is_asked_and_no_other() -> None:
    bench = Bench(A, B, C)
    bench.fail(A, UpstreamRateLimited("no", retry_after_s=9), 1)
    bench.fail(B)
    bench.fail(C, UpstreamRateLimited("no", retry_after_s=5), 1)
    assert bench.left(A, B, C) == ["b/m"]
    assert bench.left(A, C) == ["c/m"]
    bench.breakers.reset("b/m")
    bench.fail(B, UpstreamRateLimited("no", retry_after_s=9), 1)
    bench.breakers.reset("c/m")
    bench.fail(C, UpstreamRateLimited("no", retry_after_s=9), 1)
    assert bench.left(A, B, C) == ["a/m"]  # where they end together, the operator's first


@pytest.mark.parametrize(("percent", "left"), [(100, 1), (80, 1), (79, 2), (60, 2), (59, 3), (40, 3), (39, 4), (1, 4)])
def test_at_most_the_share_is_kept_out_and_one_at_least(percent: float, left: int) -> None:
    names = [at(f"{name}/m", replace(POLICY, max_ejected_percent=percent)) for name in "abcd"]
    well = at("well/m")
    bench = Bench(*names, well)
    for one in names:
        bench.fail(one)
    kept = bench.left(*names, well)
    assert "well/m" in kept
    assert len(kept) == left


def test_two_that_return_do_not_leave_a_call_with_nobody() -> None:
    bench = Bench(A, B)
    for one in (A, B):
        bench.fail(one)
    bench.clock.now_s += 1
    for one in (A, B):
        watched = bench.breakers.began(one)
        assert watched is not None
        watched.ended(one, None)
    bench.drawn = 0.99
    assert bench.left(A, B) == ["a/m", "b/m"]
    bench.breakers.reset("b/m")
    assert bench.left(A, B) == ["b/m"]


def test_a_breaker_that_is_off_lets_everything_through() -> None:
    never = at("a/m", replace(POLICY, is_on=False))
    bench = Bench(never, B)
    assert bench.breakers.began(never) is None
    assert bench.left(never, B) == ["a/m", "b/m"]
    assert "a/m" not in bench.breakers.all()


def test_names_that_a_pattern_lets_pass_share_one_breaker_and_what_passes_through_has_none() -> None:
    bench = Bench(at("a/known"), at("a/*"), B)
    bench.fail(at("a/one"), times=1)
    bench.fail(at("a/two"), times=1)
    assert bench.left(at("a/three"), B) == ["b/m"]
    assert bench.left(at("a/known"), B) == ["a/known", "b/m"]
    assert set(bench.breakers.all()) == {"a/known", "a/*", "b/m"}
    assert bench.breakers.began(target("a/files", operation="proxy")) is None


def test_a_reload_keeps_what_is_known_of_those_that_stay_and_forgets_the_others() -> None:
    bench = Bench(A, B, C)
    bench.fail(A)
    bench.fail(C)
    under_way = bench.breakers.began(A)
    assert under_way is not None
    bench.breakers.use([at("a/m", replace(POLICY, open_s=3)), B])
    assert bench.left(A, B) == ["b/m"]
    assert set(bench.breakers.all()) == {"a/m", "b/m"}
    assert bench.sample("gateway_breaker_state", target="a/m") == 3
    assert bench.sample("gateway_breaker_state", target="c/m") is None
    assert bench.sample("gateway_breaker_transitions_total", target="c/m", state="open") is None
    under_way.ended(A, None)
    assert bench.sample("gateway_breaker_state", target="a/m") == 1


def test_another_address_or_other_credentials_begin_anew() -> None:
    for change in ({"base_url": "http://other.test"}, {"credentials": {"api_key": "sk-other"}}):
        bench = Bench(A, B)
        bench.fail(A)
        bench.breakers.use([replace(A, provider=replace(A.provider, **change)), B])
        assert bench.left(A, B) == ["a/m", "b/m"]
        assert bench.sample("gateway_breaker_state", target="a/m") == 0


def test_transitions_are_counted_and_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(A, B)
    with caplog.at_level(logging.INFO, "gateway"):
        bench.fail(A)
        for _ in range(20):
            bench.left(A, B)
        bench.clock.now_s += 1
        watched = bench.breakers.began(A)
        assert watched is not None
        watched.content(A, 0.1)
        watched.ended(A, None)
        bench.clock.now_s += 2
        bench.breakers.all()
        bench.fail(B, UpstreamRateLimited("no", retry_after_s=7), 1)
        bench.breakers.reset("b/m")
        assert not bench.breakers.reset("nobody/m")
    assert [record.getMessage() for record in caplog.records] == [
        "breaker of a/m opens for 1.0 s: upstream_unavailable",
        "breaker of a/m is half-open: one call finds out whether it is back",
        "breaker of a/m lets calls through again, more and more",
        "breaker of a/m is closed",
        "breaker of b/m opens for 7.0 s, as its vendor asked: upstream_rate_limited",
        "breaker of b/m is closed, by an admin",
    ]
    for state in ("open", "half_open", "returning", "closed"):
        assert bench.sample("gateway_breaker_transitions_total", target="a/m", state=state) == 1
    assert bench.sample("gateway_breaker_state", target="a/m") == 0

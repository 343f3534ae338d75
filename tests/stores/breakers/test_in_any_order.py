"""Whatever happens in whatever order: counts are exact, one call at a time finds out, none is left with nobody."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import InvalidRequest, UpstreamCut, UpstreamRateLimited, UpstreamUnavailable
from gateway.stores.breakers import Breakers, Failure, Watched
from gateway.types import BreakerPolicy, Target
from tests.given import Clock, call, target

NAMES = ("a/m", "b/m", "c/m", "d/m")
ENDS: dict[str, BaseException | None] = {
    "well": None,
    "down": UpstreamUnavailable("no"),
    "cut": UpstreamCut("no"),
    "told": UpstreamRateLimited("no", retry_after_s=3.0),
    "left": asyncio.CancelledError(),
    "closed": GeneratorExit(),
    "amiss": InvalidRequest("no"),
}


@dataclass
class Attempt:
    target: Target
    watched: Watched
    is_probe: bool
    has_content: bool = False


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.drawn = 0.5
        self.percent = 50.0
        self.live: list[Attempt] = []
        self.breakers = Breakers(None, self.clock, lambda: self.drawn)
        self.configure()

    def configure(self) -> None:
        policy = BreakerPolicy(consecutive=3, min_requests=4, window_s=10, return_s=2, max_ejected_percent=self.percent)
        made = (target(name) for name in NAMES)
        self.targets = tuple(replace(one, provider=replace(one.provider, breaker=policy)) for one in made)
        self.breakers.use(self.targets)

    @rule(which=st.sets(st.integers(0, 3), min_size=1))
    def ask(self, which: set[int]) -> None:
        """A call with these targets asks the first that it may."""
        targets = tuple(self.targets[number] for number in sorted(which))
        asked = call(targets=targets)
        out = [one for one in targets if self.breakers.is_out(one)]
        may = [one for one in targets if self.breakers.reason(asked, one) is None]
        assert may, "a call is never left with nobody"
        kept_out = [one for one in out if one not in may]
        assert len(kept_out) <= min(max(1, int(len(targets) * self.percent / 100)), len(targets) - 1)
        assert len(out) - len(kept_out) == 0 or len(kept_out) == min(
            max(1, int(len(targets) * self.percent / 100)), len(targets) - 1
        ), "who is ejected is asked only where the share is used up"
        chosen = may[0]
        breaker = self.breakers.find(chosen)
        assert breaker is not None
        is_due = breaker.state in ("open", "half_open") and not breaker.is_out(self.clock())
        watched = self.breakers.began(chosen)
        assert watched is not None
        self.live.append(Attempt(chosen, watched, is_due))
        assert (breaker.probe is watched._trial) == is_due

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def content(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.live))
        attempt.watched.content(attempt.target, 0.2)
        attempt.has_content = True

    @precondition(lambda self: self.live)
    @rule(data=st.data(), how=st.sampled_from(sorted(ENDS)), twice=st.booleans())
    def end(self, data: st.DataObject, how: str, twice: bool) -> None:
        attempt = data.draw(st.sampled_from(self.live))
        self.live.remove(attempt)
        for _ in range(1 + twice):  # closing twice must not count twice
            attempt.watched.ended(attempt.target, ENDS[how])

    @rule(by_s=st.sampled_from([0.01, 0.5, 1.0, 2.5, 30.0]))
    def wait(self, by_s: float) -> None:
        self.clock.now_s += by_s

    @rule(drawn=st.sampled_from([0.0, 0.5, 0.999]))
    def draw(self, drawn: float) -> None:
        self.drawn = drawn

    @rule(percent=st.sampled_from([1.0, 50.0, 75.0, 100.0]))
    def reload(self, percent: float) -> None:
        self.percent = percent
        self.configure()

    @rule(one=st.integers(0, 3), is_there=st.booleans())
    def probe(self, one: int, is_there: bool) -> None:
        failure = None if is_there else Failure("upstream_unavailable")
        self.breakers.probed(self.targets[one].provider, failure)

    @rule(name=st.sampled_from(NAMES))
    def reset(self, name: str) -> None:
        self.breakers.reset(name)

    @invariant()
    def counts_are_those_of_the_attempts(self) -> None:
        for name, breaker in self.breakers.all().items():
            mine = [attempt for attempt in self.live if attempt.target.name == name]
            assert breaker.in_flight == len(mine)
            assert breaker.waiting == sum(not attempt.has_content for attempt in mine)
            assert 0 <= breaker.silent < 3
            assert 0 <= breaker.broken < 3

    @invariant()
    def who_finds_out_is_alone_and_under_way(self) -> None:
        for name, breaker in self.breakers.all().items():
            if breaker.probe is not None:
                assert breaker.state == "half_open"
                assert [a for a in self.live if a.watched._trial is breaker.probe and a.target.name == name]
            if breaker.state == "half_open":
                assert breaker.until_s <= self.clock()


TestInAnyOrder = Machine.TestCase
TestInAnyOrder.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)

"""`failover` and `timeouts` as the operator writes them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.model import Failover, Hedge, Hold
from gateway.types import Timeouts
from tests.config.folder import Setup

CHAT = "model: fast"
NEVER = float("inf")


def failover(setup: Setup, given: str) -> Failover:
    setup.routes(CHAT, f"{CHAT}, failover: {{{given}}}")
    return setup.config().routes[0].failover


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("attempts: 5", {"attempts": 5}),
        ("attempts: 5.0", {"attempts": 5}),
        ("backoff_s: 0", {"backoff_s": 0.0}),
        ("max_wait_s: 60", {"max_wait_s": 60.0}),
        ("retry_percent: 0", {"retry_percent": 0.0}),
        ("repeat: unsent", {"repeat": "unsent"}),
        ("continue: true", {"is_continued": True}),
        ("hold: all", {"hold": Hold(is_all=True)}),
        ("hold: none", {"hold": None}),
        ("hold: 300ms", {"hold": Hold(for_s=0.3)}),
        ("hold: {events: 5}", {"hold": Hold(events=5)}),
        ("hold: {ms: 250.5}", {"hold": Hold(for_s=0.2505)}),
        ("hold: {events: 5, ms: 250}", {"hold": Hold(events=5, for_s=0.25)}),
        ("hold: all, hold_max_bytes: 2048", {"hold": Hold(is_all=True, max_bytes=2048)}),
        ("hedge: {after_ms: 400}", {"hedge": Hedge(0.4, 5.0)}),
        ("hedge: {after_ms: p95, max_percent: 10}", {"hedge": Hedge(None, 10.0)}),
        ("context_window: fast", {"fallbacks": {"context_window": {"*": "fast"}}}),
        ("content_policy: {fast: big-1}", {"fallbacks": {"content_policy": {"fast": "big-1"}}}),
    ],
)
def test_each_option_has_its_meaning(setup: Setup, given: str, expected: dict[str, Any]) -> None:
    plain = {name: getattr(Failover(), name) for name in Failover.__dataclass_fields__}
    found = failover(setup, given)
    assert {name: getattr(found, name) for name in plain} == plain | expected


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("attempts: 0", "attempts has to be at least 1"),
        ("backoff_s: -1", "backoff_s has to be at least 0"),
        ("backoff_s: 61", "backoff_s has to be at most 60"),
        ("max_wait_s: 3601", "max_wait_s has to be at most 3600"),
        ("retry_percent: 101", "retry_percent has to be at most 100"),
        ("repeat: never", "repeat"),
        ("hold: some", "hold"),
        ("hold: 300", "hold"),
        ("hold: {}", "hold"),
        ("hold: {events: 0}", "events has to be at least 1"),
        ("hold: {ms: 0}", "ms has to be more than 0"),
        ("hold_max_bytes: 1023", "hold_max_bytes has to be at least 1024"),
        ("hedge: {}", "after_ms"),
        ("hedge: {after_ms: p99}", "after_ms"),
        ("hedge: {after_ms: 1, max_percent: 101}", "max_percent has to be at most 100"),
        ("context_window: {}", "context_window"),
        ("context_window: fats", "model 'fats' is not in models for chat (did you mean 'fast'?)"),
        ("content_policy: {fast: speak}", "model 'speak' is not in models for chat"),
    ],
)
def test_what_cannot_be_meant_is_refused(setup: Setup, given: str, complaint: str) -> None:
    setup.routes(CHAT, f"{CHAT}, failover: {{{given}}}")
    problems = setup.problems()
    assert len(problems) == 1, problems
    assert complaint in problems[0]
    assert problems[0].startswith("routes.yaml:10:")


def test_a_fallback_whose_providers_are_all_off_is_no_fault_of_its_name(setup: Setup) -> None:
    setup.routes("models:\n", "models:\n  long: {operation: chat, targets: [acme/big]}\n")
    setup.routes(CHAT, f"{CHAT}, failover: {{context_window: long}}")
    assert setup.problems() == []
    assert setup.config().substitutes["long"] == ()
    assert [target.name for target in setup.config(ACME_KEY="k").substitutes["long"]] == ["acme/big"]


def test_of_the_defaults_each_route_takes_what_is_for_it(setup: Setup) -> None:
    setup.routes("routes:", "defaults: {failover: {context_window: fast, hold: all}}\nroutes:")
    assert setup.problems() == []
    assert [route.failover.hold for route in setup.config().routes] == [Hold(is_all=True)] * 2
    setup.routes("context_window: fast", "context_window: fats")
    assert "defaults" not in setup.problems()[0]
    assert "model 'fats'" in setup.problems()[0]


# ---------------------------------------------------------------- timeouts


def test_a_routes_timeouts_bound_what_they_name_and_nothing_else(setup: Setup) -> None:
    setup.routes(CHAT, f"{CHAT}, timeouts: {{idle_s: 3}}")
    assert setup.config().routes[0].timeouts == Timeouts(NEVER, NEVER, 3.0, NEVER, NEVER)
    assert setup.config().routes[1].timeouts is None


def test_a_route_may_have_the_defaults_timeouts_or_none(setup: Setup) -> None:
    setup.routes("routes:", "defaults: {timeouts: {connect_s: 2}}\nroutes:")
    setup.routes(CHAT, f"{CHAT}, timeouts: none")
    first, second = setup.config().routes
    assert first.timeouts is None
    assert second.timeouts == Timeouts(2.0, NEVER, NEVER, NEVER, NEVER)


def test_a_models_timeouts_are_its_providers_where_it_does_not_say(setup: Setup) -> None:
    setup.providers("    plugin: fake\n", "    plugin: fake\n    timeouts: {connect_s: 2, idle_s: 9}\n")
    setup.providers("big: {operation: chat,", "big: {operation: chat, timeouts: {idle_s: 90, first_content_s: 20},")
    models = setup.config().providers["acme"].models
    assert models["big"].timeouts == Timeouts(connect_s=2.0, idle_s=90.0, first_content_s=20.0)
    assert models["small"].timeouts is None


@pytest.mark.parametrize("given", ["{idle_s: 0}", "{idle_s: 86401}", "{idle: 3}", "5"])
def test_a_timeout_is_a_time(setup: Setup, given: str) -> None:
    setup.routes(CHAT, f"{CHAT}, timeouts: {given}")
    assert len(setup.problems()) == 1


def test_the_tighter_of_two_holds_one_by_one() -> None:
    one, other = Timeouts(1, 9, 1, 9, 1), Timeouts(9, 1, 9, 1, 9)
    assert one.within(other) == other.within(one) == Timeouts(1, 1, 1, 1, 1)

"""In which order a model's targets are asked, strategy by strategy."""

from __future__ import annotations

import time
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.middlewares.choice import STRATEGY_HEADER, Chooser
from gateway.stores.standing import FAILED_S, Standing
from gateway.types import Client, Strategy
from tests.given import Clock, call, target
from tests.middlewares.placing import NAMES, chooser, names, ordered_by, placed, rows

SHARES = settings(max_examples=12, deadline=None)  # each of thousands of calls


def test_targets_without_places_stay_as_they_are_and_nothing_is_said() -> None:
    asked = call()
    plain = [target("a/m"), target("b/m")]
    assert ordered_by(chooser(), asked, plain) == plain
    assert asked.receipt.order == ()
    assert STRATEGY_HEADER not in asked.receipt.headers


def test_the_order_is_on_the_receipt_and_the_strategy_in_a_header() -> None:
    asked = call()
    ordered = ordered_by(chooser(), asked, placed("round-robin", *rows()))
    assert asked.receipt.order == tuple(names(ordered)) == NAMES
    assert asked.receipt.headers[STRATEGY_HEADER] == "round-robin"


EVERY: tuple[Strategy, ...] = ("priority", "weighted", "round-robin", "fastest", "least-busy", "cheapest", "sticky")


@given(
    st.sampled_from(EVERY),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 0.5, 1, 7])), min_size=1, max_size=8),
)
def test_every_strategy_keeps_all_targets_each_once_and_every_group_together(
    strategy: Strategy, places: list[tuple[int, float]]
) -> None:
    targets = placed(
        strategy, *({"name": f"p{at}/m", "group": group, "weight": weight} for at, (group, weight) in enumerate(places))
    )
    ordered = chooser().rank(call(), targets)
    assert sorted(names(ordered)) == sorted(names(targets))
    groups = [each.place.group for each in ordered if each.place is not None]
    assert groups == sorted(groups)


def test_priority_asks_in_the_order_of_groups_and_within_them_as_written() -> None:
    targets = placed("priority", {"name": "late/m", "group": 2}, {"name": "a/m"}, {"name": "b/m"})
    assert names(chooser().rank(call(), targets)) == ["a/m", "b/m", "late/m"]


def test_what_has_no_place_comes_last() -> None:
    targets = (target("own/m"), *placed("round-robin", *rows("a/m", "b/m")))
    assert names(chooser().rank(call(), targets)) == ["a/m", "b/m", "own/m"]


# ---------------------------------------------------------------- weighted


@SHARES
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.integers(0, 2**32))
def test_weights_are_shares_of_the_first_place(weights: list[int], seed: int) -> None:
    targets = placed("weighted", *({"name": f"p{at}/m", "weight": weight} for at, weight in enumerate(weights)))
    choose = Chooser(Standing(Clock()), random=Random(seed))
    runs = 3000
    firsts = Counter(ordered_by(choose, call(), targets)[0].name for _ in range(runs))
    for at, weight in enumerate(weights):
        share = weight / sum(weights)
        deviation = (share * (1 - share) / runs) ** 0.5
        assert abs(firsts[f"p{at}/m"] / runs - share) < 6 * deviation


def test_the_fallbacks_of_a_weighted_model_are_weighted_as_well() -> None:
    targets = placed(
        "weighted", {"name": "a/m", "weight": 1}, {"name": "b/m", "weight": 9}, {"name": "c/m", "weight": 1}
    )
    seconds = Counter(
        order[1].name for _ in range(4000) if (order := ordered_by(chooser_of_one, call(), targets))[0].name == "a/m"
    )
    assert 0.8 < seconds["b/m"] / seconds.total() < 0.98


chooser_of_one = chooser()


def test_a_weight_of_nothing_is_a_fallback_only() -> None:
    targets = placed("weighted", {"name": "a/m", "weight": 0}, {"name": "b/m"}, {"name": "c/m", "weight": 0})
    choose = chooser()
    assert {tuple(names(ordered_by(choose, call(), targets))) for _ in range(200)} == {("b/m", "a/m", "c/m")}


# ---------------------------------------------------------------- round-robin


def test_each_takes_its_turn() -> None:
    choose = chooser()
    firsts = [ordered_by(choose, call(), placed("round-robin", *rows()))[0].name for _ in range(7)]
    assert firsts == ["a/m", "b/m", "c/m", "a/m", "b/m", "c/m", "a/m"]


def test_the_next_in_turn_is_the_first_fallback() -> None:
    choose = chooser()
    ordered_by(choose, call(), placed("round-robin", *rows()))
    assert names(ordered_by(choose, call(), placed("round-robin", *rows()))) == ["b/m", "c/m", "a/m"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=40, max_size=80))
def test_turns_are_even_whoever_cannot_serve_now_and_then(usable: list[set[int]]) -> None:
    """Among those that can serve all calls nobody is first twice before all were first once."""
    always = {8, 9}
    choose = chooser()
    firsts = []
    for some in usable:
        targets = placed("round-robin", *rows(*(f"p{at}/m" for at in sorted(some | always))))
        firsts.append(ordered_by(choose, call(), targets)[0].name)
    mine = [name for name in firsts if name in ("p8/m", "p9/m")]
    assert all(one != other for one, other in pairwise(mine))


def test_turns_are_each_models_own_and_each_groups() -> None:
    choose = chooser()
    two = (*rows("a/m", "b/m"), *rows("c/m", "d/m", group=2))
    assert names(ordered_by(choose, call(), placed("round-robin", *two))) == ["a/m", "b/m", "c/m", "d/m"]
    assert names(ordered_by(choose, call(), placed("round-robin", *two, model="other"))) == ["a/m", "b/m", "c/m", "d/m"]
    assert names(ordered_by(choose, call(), placed("round-robin", *two))) == ["b/m", "a/m", "d/m", "c/m"]


def test_a_pattern_takes_turns_whatever_names_clients_give() -> None:
    choose = chooser()
    firsts = []
    for number in range(4):
        named = [{"name": f"{who}/gpt-{number}", "configured": f"{who}/*"} for who in "ab"]
        firsts.append(ordered_by(choose, call(), placed("round-robin", *named, model="gpt-*"))[0].provider.name)
    assert firsts == ["a", "b", "a", "b"]


# ---------------------------------------------------------------- fastest


def know(standing: Standing, **latencies: float) -> None:
    for name, seconds in latencies.items():
        each = target(f"{name}/m")
        standing.began(each)
        standing.content(each, seconds)
        standing.ended(each, None)


def test_of_two_the_faster_is_first_and_the_other_stays() -> None:
    standing = Standing(Clock())
    know(standing, a=0.9, b=0.3)
    choose = chooser(standing)
    assert {tuple(names(ordered_by(choose, call(), placed("fastest", *rows("a/m", "b/m"))))) for _ in range(50)} == {
        ("b/m", "a/m")
    }


@SHARES
@given(
    st.lists(st.floats(0.05, 5), min_size=3, max_size=5, unique=True),
    st.integers(0, 2**32),
)
def test_the_slowest_is_never_first_and_the_faster_the_more_often(latencies: list[float], seed: int) -> None:
    standing = Standing(Clock())
    know(standing, **{f"p{at}": seconds for at, seconds in enumerate(latencies)})
    choose = Chooser(standing, random=Random(seed))
    targets = placed("fastest", *rows(*(f"p{at}/m" for at in range(len(latencies)))))
    orders = [names(ordered_by(choose, call(), targets)) for _ in range(2000)]
    firsts = Counter(order[0] for order in orders)
    by_speed = [f"p{at}/m" for at in sorted(range(len(latencies)), key=lambda at: latencies[at])]
    assert firsts[by_speed[-1]] == 0
    assert firsts[by_speed[0]] > firsts[by_speed[1]] > 0
    for order in orders[:20]:
        assert [name for name in by_speed if name != order[0]] == order[1:]  # fallbacks: the fastest first


def test_who_is_not_known_is_tried_by_one_call_at_a_time() -> None:
    standing = Standing(Clock())
    know(standing, a=0.3)
    choose = chooser(standing)
    targets = placed("fastest", *rows("a/m", "b/m"))
    assert names(ordered_by(choose, call(), targets)) == ["b/m", "a/m"]
    standing.began(targets[1])
    assert names(ordered_by(choose, call(), targets)) == ["a/m", "b/m"]
    standing.content(targets[1], 0.1)
    assert names(ordered_by(choose, call(), targets)) == ["b/m", "a/m"]


def test_a_failure_counts_as_slow() -> None:
    standing = Standing(Clock())
    know(standing, a=FAILED_S - 1)
    standing.began(target("b/m"))
    standing.ended(target("b/m"), RuntimeError("a fault"))
    assert names(chooser(standing).rank(call(), placed("fastest", *rows("b/m", "a/m")))) == ["a/m", "b/m"]


# ---------------------------------------------------------------- least busy


def test_the_least_busy_is_first_and_the_busiest_last() -> None:
    standing = Standing(Clock())
    for name, count in (("a/m", 3), ("b/m", 0), ("c/m", 1)):
        for _ in range(count):
            standing.began(target(name))
    assert names(chooser(standing).rank(call(), placed("least-busy", *rows()))) == ["b/m", "c/m", "a/m"]


def test_the_equally_busy_share() -> None:
    choose = chooser()
    firsts = Counter(ordered_by(choose, call(), placed("least-busy", *rows()))[0].name for _ in range(600))
    assert all(120 < firsts[name] < 280 for name in NAMES)


# ---------------------------------------------------------------- sticky


def session(name: str, **more: Any) -> Any:
    return call(headers={"x-gateway-session": name}, **more)


def test_a_session_stays_with_its_target_in_every_process() -> None:
    targets = placed("sticky", *rows())
    firsts = {name: chooser().rank(session(name), targets)[0].name for name in map(str, range(30))}
    assert all(
        Chooser(Standing(Clock()), random=Random(1)).rank(session(name), targets[::-1])[0].name == first
        for name, first in firsts.items()
    )
    assert set(firsts.values()) == set(NAMES)


@given(st.integers(2, 7), st.integers(0, 6), st.integers(0, 2**32))
def test_a_target_that_goes_away_moves_only_its_own(count: int, gone_at: int, seed: int) -> None:
    targets = placed("sticky", *rows(*(f"p{at}/m" for at in range(count))))
    gone = targets[gone_at % count].name
    left = [each for each in targets if each.name != gone]
    for number in range(40):
        asked = session(f"{seed}-{number}")
        before = names(chooser().rank(asked, targets))
        after = names(chooser().rank(asked, left))
        assert after == [name for name in before if name != gone]  # its own go to their second choice


@SHARES
@given(st.integers(0, 2**32))
def test_sessions_spread_by_weight(seed: int) -> None:
    targets = placed("sticky", {"name": "a/m", "weight": 3}, {"name": "b/m", "weight": 1})
    choose = chooser()
    firsts = Counter(ordered_by(choose, session(f"{seed}-{number}"), targets)[0].name for number in range(2000))
    assert 0.69 < firsts["a/m"] / 2000 < 0.81


def test_without_a_session_the_key_decides_and_without_a_key_the_address() -> None:
    targets = placed("sticky", *rows(*(f"p{at}/m" for at in range(9))))

    def first(**more: Any) -> str:
        return chooser().rank(call(**more), targets)[0].name

    keys = [Client(f"key-{number}", "shop") for number in range(40)]
    assert [first(client=key) for key in keys] == [first(client=key) for key in keys]
    assert len({first(client=key) for key in keys}) > 4
    assert first(client=keys[0]) == first(client=keys[0], headers={"x-other": "a"})
    nobody = Client("anonymous", "anonymous", is_anonymous=True)
    assert first(client=nobody) == first(client=nobody)


def test_a_session_is_its_tenants_own_and_the_header_is_the_models() -> None:
    targets = placed("sticky", *rows(*(f"p{at}/m" for at in range(50))), session_header="x-chat")
    firsts = {
        chooser().rank(call(headers={"x-chat": "1"}, client=Client("k", f"tenant-{at}")), targets)[0].name
        for at in range(20)
    }
    assert len(firsts) > 8
    ignored = [chooser().rank(session(str(at)), targets)[0].name for at in range(5)]
    assert len(set(ignored)) == 1


def test_a_pattern_sticks_to_a_provider_whatever_names_clients_give() -> None:
    for number in range(20):
        firsts = set()
        for model in ("gpt-1", "gpt-2", "gpt-3"):
            named = [{"name": f"{who}/{model}", "configured": f"{who}/*"} for who in "abcd"]
            targets = placed("sticky", *named, model="gpt-*")
            firsts.add(chooser().rank(session(str(number)), targets)[0].provider.name)
        assert len(firsts) == 1


@pytest.mark.parametrize("strategy", EVERY)
def test_choosing_is_cheap(strategy: Strategy) -> None:
    """A few microseconds are seen; this fails where something is compiled or walked through anew for each call."""
    targets = placed(strategy, *rows(), model="m")
    choose, asked = chooser(), session("s")
    ordered_by(choose, asked, targets)
    started = time.perf_counter()
    for _ in range(1000):
        ordered_by(choose, asked, targets)
    assert time.perf_counter() - started < 0.25

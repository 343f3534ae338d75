"""Who would be asked for a call, and why the others are not; and whose answer is the model's own."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.middlewares.candidates import Candidates, candidates, error, first_choice
from gateway.middlewares.choice import Chooser
from gateway.stores.standing import Standing
from gateway.types import Call, Choice, Place, Strategy, Target, When, Words
from tests.given import Clock, call, speech_call, target


class Shut:
    """A gate that lets none of these be asked."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def reason(self, call: Call, target: Target) -> str | None:
        return "is out" if target.name in self.names else None


def placed(strategy: Strategy, *rows: tuple[str, int], **more: Any) -> tuple[Target, ...]:
    """Return targets, each of (name, group); `more` are fields of all."""
    choice = Choice("fast", strategy)
    return tuple(target(name, place=Place(choice, name, group=group), **more) for name, group in rows)


def chooser() -> Chooser:
    return Chooser(Standing(Clock()), random=Random(7))


def names(found: Candidates) -> list[str]:
    return [each.name for each in found.targets]


def test_targets_stand_in_order_and_whoever_is_dropped_says_why() -> None:
    voice = {"nova": "x"}
    high = When(headers=(("x-quality", Words(("high",), re.compile("high"))),))
    targets = (
        target("mute/m", operation="speech"),
        target("wav/m", operation="speech", voices=voice, formats=frozenset({"wav"})),
        target("good/m", operation="speech", voices=voice, place=Place(Choice("fast"), "good/m", when=high)),
        target("out/m", operation="speech", voices=voice),
        target("last/m", operation="speech", voices=voice),
    )
    asked = speech_call(targets=targets)
    found = candidates(asked, (Shut("out/m"),), chooser())
    assert names(found) == ["last/m"]
    assert found.dropped == (
        ("mute/m", "has no voice 'nova'"),
        ("wav/m", "has no format mp3; it has wav"),
        ("good/m", "is for requests whose x-quality is high only"),
        ("out/m", "is out"),
    )
    assert (asked.receipt.skipped, asked.receipt.order, asked.receipt.headers) == ([], (), {})


def test_looking_takes_no_turn() -> None:
    targets = placed("round-robin", ("a/m", 1), ("b/m", 1))
    choose, asked = chooser(), call(targets=targets)
    assert [names(candidates(asked, (), choose)) for _ in range(3)] == [["a/m", "b/m"]] * 3
    choose.note(asked, candidates(asked, (), choose).targets)
    assert names(candidates(asked, (), choose)) == ["b/m", "a/m"]


def test_what_a_gate_shuts_is_not_ranked_and_takes_no_turn() -> None:
    targets = placed("round-robin", ("a/m", 1), ("b/m", 1), ("c/m", 1))
    choose = chooser()
    for first in ("b/m", "c/m", "b/m"):
        asked = call(targets=targets)
        found = candidates(asked, (Shut("a/m"),), choose)
        choose.note(asked, found.targets)
        assert (names(found)[0], found.dropped) == (first, (("a/m", "is out"),))
    assert names(candidates(call(targets=targets), (), choose))[0] == "a/m"


def refused(asked: Call, *gates: Shut) -> GatewayError:
    found = candidates(asked, gates, chooser())
    assert not found.targets
    return error(asked, found)


def test_the_error_says_whose_doing_it_is() -> None:
    nobody = refused(call())
    assert (nobody.status, nobody.code) == (503, "upstream_unavailable")
    assert "no provider that is on" in nobody.message
    shut = refused(call(targets=(target("a/m"), target("b/m"))), Shut("a/m", "b/m"))
    assert shut.status == 503
    assert "a/m is out; b/m is out" in shut.message
    unfit = refused(speech_call(targets=(target("a/m", operation="speech", formats=frozenset({"wav"})),)))
    assert unfit.status == 400
    mixed = refused(
        speech_call(
            targets=(
                target("a/m", operation="speech", formats=frozenset({"wav"})),
                target("b/m", operation="speech", voices={"nova": "x"}),
            )
        ),
        Shut("b/m"),
    )
    assert mixed.status == 503  # later it will be served


# ---------------------------------------------------------------- whose answer is the model's own


@pytest.mark.parametrize(
    ("strategy", "groups", "shut", "own"),
    [
        ("priority", (1, 1), (), "a/m"),
        ("priority", (1, 1), ("a/m",), ""),  # b/m stands in
        ("priority", (1, 1), ("b/m",), "a/m"),
        ("priority", (2, 1), (), "b/m"),
        ("priority", (2, 1), ("a/m",), "b/m"),  # which would be first in any case
        ("round-robin", (1, 1), ("a/m",), "b/m"),  # as good as the other
        ("weighted", (1, 2), ("a/m",), ""),
        ("cheapest", (1, 2), ("b/m",), "a/m"),
    ],
)
def test_the_first_choice_is_whoever_stands_in_for_nobody(
    strategy: Strategy, groups: tuple[int, int], shut: tuple[str, ...], own: str
) -> None:
    asked = call(targets=placed(strategy, ("a/m", groups[0]), ("b/m", groups[1])))
    found = candidates(asked, (Shut(*shut),), chooser())
    assert first_choice(asked, found, found.targets[0]) == own


def test_without_a_strategy_it_is_the_first_target_whoever_is_asked() -> None:
    asked = call(targets=(target("a/m"), target("b/m")))
    for gate in (Shut(), Shut("a/m")):
        found = candidates(asked, (gate,), chooser())
        assert first_choice(asked, found, found.targets[0]) == "a/m"


@pytest.mark.parametrize(
    ("strategy", "group", "own"), [("priority", 1, ""), ("round-robin", 1, "b/m"), ("round-robin", 2, "")]
)
def test_who_is_asked_since_another_has_no_room_stands_in_where_that_one_is_preferred(
    strategy: Strategy, group: int, own: str
) -> None:
    asked = call(targets=placed(strategy, ("a/m", 1), ("b/m", group)))
    found = candidates(asked, (), chooser())
    assert first_choice(asked, found, asked.targets[1]) == own

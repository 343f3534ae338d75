"""Who watches attempts is told of each, and who keeps targets from being asked is asked before each."""

from __future__ import annotations

import asyncio

import pytest

from gateway.config.model import Failover as Policy
from gateway.errors import UpstreamTimeout, UpstreamUnavailable
from gateway.middlewares.failover import Failover
from gateway.types import Call, Target
from tests.given import call, drained, plain_plugin, target
from tests.middlewares.answering import GOOD, Vendors
from tests.middlewares.test_failover import Seen, fault


async def test_each_gate_is_asked_about_those_that_the_gates_before_it_left_and_that_can_serve_the_call() -> None:
    asked_about: list[list[str]] = []

    class First:
        def reason(self, call: Call, target: Target) -> str | None:
            return "is off" if target.name == "b/m" else None

    class Second:
        def reason(self, call: Call, target: Target) -> str | None:
            asked_about.append([one.name for one in call.targets])
            return None

    unable = target("x/m", plugin=plain_plugin(refusal="cannot do that"))
    vendors = Vendors(a=GOOD, b=GOOD, c=GOOD)
    asked = call(targets=(unable, *vendors.targets))
    await Failover(Policy(3, 5), True, gates=(First(), Second()))(asked, vendors.handler)
    assert asked_about == [["a/m", "c/m"]] * 2
    assert asked.receipt.skipped == [("x/m", "cannot do that"), ("b/m", "is off")]


async def test_gates_are_asked_again_before_another_target_is_tried() -> None:
    vendors = Vendors(a=fault(UpstreamUnavailable), b=GOOD, c=GOOD)

    class ShutSince:
        def reason(self, call: Call, target: Target) -> str | None:
            return "is out since" if target.name == "b/m" and vendors.asked else None

    asked = call(targets=vendors.targets)
    await Failover(Policy(3, 5), True, gates=(ShutSince(),))(asked, vendors.handler)
    assert vendors.asked == ["a", "c"]
    assert asked.receipt.skipped == [("b/m", "is out since")]


async def test_a_watcher_may_hand_each_attempt_to_somebody() -> None:
    begun: list[Seen] = []

    class Distributor(Seen):
        def began(self, target: Target) -> Seen:  # type: ignore[override]
            begun.append(Seen())
            return begun[-1]

    distributor = Distributor()
    vendors = Vendors(a=fault(UpstreamUnavailable), b=GOOD)
    answer = await Failover(Policy(3, 5), True, watchers=(distributor,))(call(targets=vendors.targets), vendors.handler)
    await drained(answer.events)
    assert [one.told for one in begun] == [
        [("ended", "a/m", "UpstreamUnavailable")],
        [("content", "b/m"), ("ended", "b/m", "NoneType")],
    ]
    assert distributor.told == []


@pytest.mark.parametrize(("first_content_s", "total_s", "told"), [(0.02, 5, "UpstreamTimeout"), (5, 0.02, "OutOfTime")])
async def test_watchers_are_told_whether_the_target_or_the_call_ran_out_of_time(
    first_content_s: float, total_s: float, told: str
) -> None:
    vendors, seen = Vendors(a=5.0), Seen()
    asked = call(targets=vendors.targets, deadline_s=asyncio.get_running_loop().time() + total_s)
    with pytest.raises(UpstreamTimeout):
        await Failover(Policy(1, first_content_s), True, watchers=(seen,))(asked, vendors.handler)
    assert seen.told == [("began", "a/m"), ("ended", "a/m", told)]

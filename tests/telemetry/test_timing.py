"""The gateway's own share of a call's time is what no vendor, queue or client took."""

from __future__ import annotations

import pytest

from gateway.telemetry.timing import overhead_s
from gateway.types import Attempt, Receipt


def attempt(started_s: float, ended_s: float | None) -> Attempt:
    return Attempt("a/m", started_s=started_s, ended_s=ended_s)


@pytest.mark.parametrize(
    ("attempts", "arrived_s", "own_s"),
    [
        ([], 0.0, 10.0),
        ([], 4.0, 6.0),
        ([attempt(11, 15)], 0.0, 6.0),
        ([attempt(11, 15), attempt(16, 18)], 1.0, 3.0),
        ([attempt(11, 15), attempt(13, 18)], 0.0, 3.0),  # at once
        ([attempt(11, 18), attempt(13, 15)], 0.0, 3.0),  # one within the other
        ([attempt(11, None)], 0.0, 1.0),  # to the end
        ([attempt(0.0, None)], 0.0, 10.0),  # of the cache: nobody was asked
        ([attempt(10, 20)], 5.0, 0.0),  # never less than nothing
    ],
)
def test_what_is_left_is_the_gateways(attempts: list[Attempt], arrived_s: float, own_s: float) -> None:
    receipt = Receipt("request-1", 10.0, attempts=attempts, arrived_s=arrived_s)
    assert overhead_s(receipt, 20.0) == pytest.approx(own_s)
    assert overhead_s(receipt, 20.0) == pytest.approx(own_s)


def test_of_another_end_it_is_reckoned_anew() -> None:
    receipt = Receipt("request-1", 10.0, attempts=[attempt(11, 15)])
    assert [overhead_s(receipt, ended_s) for ended_s in (20.0, 21.0, 20.0)] == [6.0, 7.0, 6.0]

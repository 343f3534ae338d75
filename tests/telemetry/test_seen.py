"""What real traffic met with is kept within bounds, and told as it is."""

from __future__ import annotations

import pytest

from gateway.errors import GatewayError
from gateway.telemetry import seen as module
from gateway.telemetry.seen import FAULTS, NEWEST, Seen, percentile_ms
from gateway.types import Attempt, Receipt


def receipt(*outcomes: str, target: str = "vendor/m") -> Receipt:
    made = Receipt("request-1", 10.0, operation="chat", route="POST /x")
    made.attempts += [
        Attempt(target, outcome=outcome, started_s=11.0, first_content_s=11.5, ended_s=12.0, queued_s=0.25)
        for outcome in outcomes
    ]
    return made


def test_outcomes_are_told_apart_by_whose_fault_they_are() -> None:
    seen = Seen(lambda: 15.0)
    seen.record(receipt("upstream_cut", "invalid_request", "aborted", "cancelled", "ok"), 200, 13.0)
    seen.record(receipt("upstream_timeout"), 504, 13.0)
    found = seen.provider("vendor")
    assert found is not None
    assert found.told(15.0) == {
        "attempts": 6,
        "failed": 2,
        "failures_in_a_row": 1,
        "last_ok_s": 3.0,
        "last_failure_s": 3.0,
        "last_failure": "upstream_timeout",
        "first_content_ms": {"p50": 250.0, "p95": 250.0},
        "duration_ms": {"p50": 750.0, "p95": 750.0},
    }
    assert (seen.calls, seen.failed) == (2, 1)
    assert seen.duration.told_ms() == {"p50": 3000.0, "p95": 3000.0}


def test_the_faults_are_those_of_the_errors_that_blame_a_vendor() -> None:
    def below(kind: type[GatewayError]) -> set[type[GatewayError]]:
        return {kind} | {each for child in kind.__subclasses__() for each in below(child)}

    codes = {kind.code for kind in below(GatewayError) if kind.code.startswith("upstream_")}
    assert codes >= FAULTS
    # A model that the vendor does not know is asked for amiss; a live session that it closes may have been silent.
    assert codes - FAULTS == {"upstream_not_found", "upstream_closed"}


@pytest.mark.parametrize("outcome", ["cached", "coalesced"])
def test_who_was_not_asked_was_not_seen(outcome: str) -> None:
    seen = Seen()
    made = receipt(outcome)
    made.attempts[0].is_joined = outcome == "coalesced"
    seen.record(made, 200, 13.0)
    assert seen.provider("vendor") is None
    assert seen.calls == 1


def test_what_no_route_serves_is_no_call() -> None:
    seen = Seen()
    seen.record(Receipt("request-1", 10.0), 404, 13.0)
    assert seen.calls == 0


def test_only_the_newest_times_are_kept() -> None:
    seen = Seen()
    for _ in range(NEWEST + 50):
        seen.record(receipt("ok"), 200, 13.0)
    found = seen.provider("vendor")
    assert found is not None
    assert (found.attempts, len(found.duration.newest), len(seen.overhead.newest)) == (NEWEST + 50, NEWEST, NEWEST)


@pytest.mark.parametrize(("names", "known"), [(2, 2), (3, 3), (4, 3)])
def test_providers_without_end_are_not_kept(names: int, known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROVIDERS", 3)
    seen = Seen()
    for number in range(names):
        seen.record(receipt("ok", target=f"p{number}/m"), 200, 13.0)
    assert sum(seen.provider(f"p{number}") is not None for number in range(names)) == known
    seen.keep(["p0"])
    assert [seen.provider(f"p{number}") is not None for number in range(names)] == [True] + [False] * (names - 1)


@pytest.mark.parametrize(
    ("count", "share", "told"), [(0, 0.5, None), (1, 0.5, 1), (2, 0.5, 1), (3, 0.5, 2), (100, 0.95, 95), (100, 1, 100)]
)
def test_a_percentile_is_what_so_many_do_not_exceed(count: int, share: float, told: float | None) -> None:
    assert percentile_ms([number / 1000 for number in range(count, 0, -1)], share) == told

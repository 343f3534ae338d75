"""How long targets took lately, as a 95th percentile."""

from __future__ import annotations

import pytest

from gateway.stores.latencies import FRESH, KEPT, LEAST, MAX_TARGETS, Latencies
from tests.given import target


def test_too_few_values_are_no_percentile() -> None:
    latencies = Latencies()
    assert latencies.p95_s("vendor/model") is None
    for _ in range(LEAST - 1):
        latencies.note("vendor/model", 1.0)
    assert latencies.p95_s("vendor/model") is None
    latencies.content(target(), 1.0)
    assert latencies.p95_s("vendor/model") == 1.0


@pytest.mark.parametrize(("many", "expected"), [(20, 19), (100, 95), (200, 190)])
def test_ninety_five_percent_took_no_longer(many: int, expected: int) -> None:
    latencies = Latencies()
    for number in range(many, 0, -1):
        latencies.note("vendor/model", float(number))
    assert latencies.p95_s("vendor/model") == expected


def test_only_the_latest_count() -> None:
    latencies = Latencies()
    for _ in range(KEPT):
        latencies.note("vendor/model", 9.0)
    assert latencies.p95_s("vendor/model") == 9.0
    for _ in range(KEPT):
        latencies.note("vendor/model", 1.0)
    assert latencies.p95_s("vendor/model") == 1.0


def test_the_percentile_is_worked_out_anew_from_time_to_time() -> None:
    latencies = Latencies()
    for _ in range(LEAST):
        latencies.note("vendor/model", 1.0)
    assert latencies.p95_s("vendor/model") == 1.0
    for _ in range(FRESH):
        assert latencies.p95_s("vendor/model") == 1.0
        latencies.note("vendor/model", 5.0)
    assert latencies.p95_s("vendor/model") == 5.0


def test_targets_that_nobody_asks_any_more_go() -> None:
    latencies = Latencies()
    for number in range(MAX_TARGETS + 1):
        for _ in range(LEAST):
            latencies.note(f"vendor/{number}", 1.0)
        latencies.note("vendor/kept", 1.0)
    assert latencies.p95_s("vendor/0") is None
    assert latencies.p95_s(f"vendor/{MAX_TARGETS}") == 1.0
    assert latencies.p95_s("vendor/kept") == 1.0


def test_attempts_begin_and_end_without_a_word() -> None:
    latencies = Latencies()
    latencies.began(target())
    latencies.ended(target(), None)
    assert latencies.p95_s("vendor/model") is None

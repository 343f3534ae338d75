"""What an answer's head says of its cost: an amount, that nobody knows it, or nothing yet."""

from __future__ import annotations

import pytest

from gateway.server.headers import receipt_headers
from gateway.types import Attempt, Receipt


@pytest.mark.parametrize(
    ("attempts", "cost", "said"),
    [
        ([], None, {}),
        ([Attempt("a/m")], None, {}),  # a stream: its cost is not known yet
        ([Attempt("a/m", cost_nano_usd=0)], 0, {"x-gateway-cost-usd": "0.000000000"}),
        ([Attempt("a/m", cost_nano_usd=6_000)], 6_000, {"x-gateway-cost-usd": "0.000006000"}),
        ([Attempt("a/m", is_unpriced=True)], None, {"x-gateway-cost": "unknown"}),
        ([Attempt("a/m", is_unpriced=True), Attempt("b/m", cost_nano_usd=1)], 1, {"x-gateway-cost": "unknown"}),
    ],
)
def test_a_cost_is_told_only_where_all_of_it_is_known(
    attempts: list[Attempt], cost: int | None, said: dict[str, str]
) -> None:
    receipt = Receipt("request-1", 10.0, attempts=attempts, cost_nano_usd=cost)
    headers = receipt_headers(receipt, 11.0)
    assert {name: value for name, value in headers.items() if name.startswith("x-gateway-cost")} == said


@pytest.mark.parametrize(
    ("spans", "upstream_ms", "overhead_ms"),
    [
        ([], "0.00", "4000.00"),
        ([(11.0, 13.0)], "2000.00", "2000.00"),
        ([(11.0, 12.0), (12.5, 13.0)], "1500.00", "2500.00"),  # with a wait between them, which is ours
        ([(11.0, 13.0), (12.0, 13.5)], "2500.00", "1500.00"),  # beside each other
        ([(11.0, 13.5), (12.0, 13.0)], "2500.00", "1500.00"),
        ([(11.0, None)], "3000.00", "1000.00"),
    ],
)
def test_the_time_in_which_any_target_was_asked_is_the_upstreams(
    spans: list[tuple[float, float | None]], upstream_ms: str, overhead_ms: str
) -> None:
    attempts = [Attempt("a/m", started_s=started_s, ended_s=ended_s) for started_s, ended_s in spans]
    headers = receipt_headers(Receipt("request-1", 10.0, attempts=attempts), 14.0)
    assert headers["x-gateway-overhead-ms"] == overhead_ms
    assert headers["server-timing"] == f"gateway;dur={overhead_ms}, upstream;dur={upstream_ms}"

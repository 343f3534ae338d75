from __future__ import annotations

from decimal import Decimal

import limits
import pytest

from gateway.config.quantities import MAX_USD, budget, listen_address, nano_usd, rate
from gateway.types import Budget, Rate


@pytest.mark.parametrize(
    ("dollars", "nano"),
    [(0, 0), (0.075, 75_000_000), (0.1, 100_000_000), (4.5, 4_500_000_000), (1e-9, 1), (12.345678901, 12_345_678_901)],
)
def test_money_is_exact(dollars: float, nano: int) -> None:
    assert nano_usd(dollars) == nano


@pytest.mark.parametrize(
    ("dollars", "is_fine"),
    [
        (MAX_USD, True),
        (MAX_USD + 1, False),
        (0, True),
        (-1e-9, False),
        (1e-9, True),
        (1e-10, False),
        (1.0000000001, False),
    ],
)
def test_money_is_bounded_and_never_rounded(dollars: float, is_fine: bool) -> None:
    if is_fine:
        nano_usd(dollars)
        return
    with pytest.raises(ValueError, match=r"range|decimals"):
        nano_usd(dollars)


@pytest.mark.parametrize("dollars", [Decimal("NaN"), Decimal("Infinity"), float("nan"), float("inf")])
def test_money_is_finite(dollars: float | Decimal) -> None:
    with pytest.raises(ValueError, match="out of range"):
        nano_usd(dollars)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60/minute", Rate(60, 60)),
        (" 60 per minutes ", Rate(60, 60)),
        ("10 / 5 seconds", Rate(10, 5)),
        ("1000/1 hour", Rate(1000, 3600)),
        ("007/day", Rate(7, 86_400)),
        ("1/month", Rate(1, 2_592_000)),
    ],
)
def test_a_rate_is_read_as_limits_reads_it(text: str, expected: Rate) -> None:
    item = limits.parse(text.strip().replace("minutes", "minute"))
    assert rate(text) == expected == Rate(item.amount, item.get_expiry())


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("60/minute", "60 per minute"),
        ("10/5 seconds", "10 per 5 seconds"),
        ("3/2 day", "3 per 2 days"),
        ("1/hour", "1 per hour"),
    ],
)
def test_a_rate_is_told_in_the_largest_unit_that_fits(written: str, told: str) -> None:
    assert str(rate(written)) == told


@pytest.mark.parametrize("text", ["", "60", "60/min", "minute", "-1/minute", "1.5/minute", "0/minute", "5/0 minutes"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rate"):
        rate(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 USD/day", Budget(5_000_000_000, "day")),
        ("0.50 USD / hour", Budget(500_000_000, "hour")),
        ("100 USD/month", Budget(100_000_000_000, "month")),
        ("100 USD total", Budget(100_000_000_000, "total")),
        ("0USD/day", Budget(0, "day")),
    ],
)
def test_a_budget_is_read(text: str, expected: Budget) -> None:
    assert budget(text) == expected


@pytest.mark.parametrize(
    "text", ["5", "5/day", "5 EUR/day", "$5/day", "5 USD/week", "-5 USD/day", "5 USD", "1e3 USD/day"]
)
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a budget"):
        budget(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:8001", ("127.0.0.1", 8001)), ("[::1]:0", ("::1", 0)), ("localhost:65535", ("localhost", 65535))],
)
def test_an_address_is_read(text: str, expected: tuple[str, int]) -> None:
    assert listen_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "8001", ":8001", "a:b", "::1:8001", "host:65536", "http://host:80", "host:80/", "a b:80"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|65535"):
        listen_address(text)

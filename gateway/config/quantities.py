"""The small notations of the YAML: money, rates, budgets and addresses, each read into numbers or refused."""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.types import NANO_USD, Budget, Period, Rate, Unit

MAX_USD = 1_000_000  # per unit, and per budget window; more is a slip of the decimal point

# What YAML calls a unit, how the counters do, and how many of theirs one is.
UNITS: tuple[tuple[str, Unit, int], ...] = (
    ("requests", "requests", 1),
    ("tokens", "tokens", 1),
    ("characters", "characters", 1),
    ("audio_seconds", "audio_ms", 1000),
)

_RATE = re.compile(r"\s*(\d{1,12})\s*(?:/|per)\s*(?:(\d{1,4})\s*)?(second|minute|hour|day|month)s?\s*", re.ASCII)
# As the package `limits` has them, which a test compares; to import it takes a `check` longer than to read 100 routes.
_WINDOWS_S = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "month": 2_592_000}
_BUDGET = re.compile(r"\s*(\d{1,12}(?:\.\d{1,12})?)\s*USD\s*(?:/\s*)?(hour|day|month|total)\s*", re.ASCII)
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})", re.ASCII)


def nano_usd(dollars: int | float | Decimal) -> int:
    """Return dollars as whole nano-dollars. Raises ValueError where that is not exact or out of range.

    A float is taken as the shortest decimal that names it, which is what was written in the file.
    """
    amount = Decimal(str(dollars))
    if not amount.is_finite() or not 0 <= amount <= MAX_USD:
        raise ValueError(f"is out of range: 0 to {MAX_USD} USD")
    nano = amount * NANO_USD
    if nano != nano.to_integral_value():
        raise ValueError("has more than nine decimals; money is kept in nano-dollars")
    return int(nano)


def rate(text: str) -> Rate:
    """Read `60/minute` or `60/5 minute`. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("is not a rate; write 60/minute (second, minute, hour, day or month)")
    count, multiple, unit = match.groups()
    if int(count) < 1 or (multiple and int(multiple) < 1):
        raise ValueError("admits nothing; a rate is at least 1, and no limit is said by leaving it out")
    return Rate(int(count), int(multiple or 1) * _WINDOWS_S[unit])


def budget(text: str) -> Budget:
    """Read `5 USD/day`. Raises ValueError."""
    match = _BUDGET.fullmatch(text)
    if match is None:
        raise ValueError("is not a budget; write 5 USD/day (hour, day, month or total)")
    periods: dict[str, Period] = {"hour": "hour", "day": "day", "month": "month", "total": "total"}
    return Budget(nano_usd(Decimal(match[1])), periods[match[2]])


def listen_address(text: str) -> tuple[str, int]:
    """Read `host:port`; an IPv6 address stands in brackets. Raises ValueError."""
    match = _LISTEN.fullmatch(text)
    if match is None:
        raise ValueError("is not host:port; write 127.0.0.1:8001, 0.0.0.0:8001 for every interface, or [::1]:8001")
    port = int(match[3])
    if port > 65_535:
        raise ValueError("has a port above 65535")
    return match[1] or match[2], port

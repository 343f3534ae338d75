"""The small notations of the YAML: money, rates, budgets and addresses, each read into numbers or refused."""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.config.model import Budget
from gateway.types import NANO_USD

MAX_USD = 1_000_000  # per unit, and per budget window; more is a slip of the decimal point

_RATE = re.compile(r"\s*(\d{1,12})\s*(?:/|per)\s*(?:(\d{1,4})\s*)?(second|minute|hour|day|month)s?\s*", re.ASCII)
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


def rate(text: str) -> str:
    """Return `60/minute` or `60/5 minute`, as the package `limits` reads it. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError("is not a rate; write 60/minute (second, minute, hour, day or month)")
    count, multiple, unit = match.groups()
    if int(count) < 1 or (multiple and int(multiple) < 1):
        raise ValueError("admits nothing; a rate is at least 1, and no limit is said by leaving it out")
    return f"{int(count)}/{int(multiple)} {unit}" if multiple and int(multiple) > 1 else f"{int(count)}/{unit}"


def budget(text: str) -> Budget:
    """Read `5 USD/day`. Raises ValueError."""
    match = _BUDGET.fullmatch(text)
    if match is None:
        raise ValueError("is not a budget; write 5 USD/day (hour, day, month or total)")
    window: str = match[2]
    limit = nano_usd(Decimal(match[1]))
    if window == "hour":
        return Budget(limit, "hour")
    if window == "day":
        return Budget(limit, "day")
    return Budget(limit, "month" if window == "month" else "total")


def listen_address(text: str) -> tuple[str, int]:
    """Read `host:port`; an IPv6 address stands in brackets. Raises ValueError."""
    match = _LISTEN.fullmatch(text)
    if match is None:
        raise ValueError("is not host:port; write 127.0.0.1:8001, 0.0.0.0:8001 for every interface, or [::1]:8001")
    port = int(match[3])
    if port > 65_535:
        raise ValueError("has a port above 65535")
    return match[1] or match[2], port

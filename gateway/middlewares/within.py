"""One call asks several times within itself: each with a receipt of its own, all of them summed on the call's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.types import Receipt


def begun(receipt: Receipt, **changes: Any) -> Receipt:
    """Return a receipt for one of the askings: two at a time must not take each other's attempts for theirs."""
    empty: dict[str, Any] = {"attempts": [], "answered": None, "skipped": [], "headers": {}, "comments": []}
    return replace(receipt, **{**empty, "cost_nano_usd": None, **changes})


def charge(receipt: Receipt, own: Receipt) -> None:
    """Note on the call's receipt what one of its askings tried and cost."""
    receipt.attempts += own.attempts
    receipt.skipped += [skipped for skipped in own.skipped if skipped not in receipt.skipped]
    if own.cost_nano_usd is not None:
        receipt.cost_nano_usd = (receipt.cost_nano_usd or 0) + own.cost_nano_usd


def merge(receipt: Receipt, own: Receipt) -> None:
    """Note all of one asking whose answer is the call's, or a part of it."""
    charge(receipt, own)
    receipt.answered = own.answered or receipt.answered
    receipt.held = own.held or receipt.held
    receipt.unretried = own.unretried or receipt.unretried
    receipt.headers |= own.headers
    receipt.order, receipt.first_choice = own.order, own.first_choice

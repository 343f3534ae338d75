"""Where the time of a call went: to vendors, to waiting, or to the gateway itself."""

from __future__ import annotations

from gateway.types import Receipt


def overhead_s(receipt: Receipt, ended_s: float) -> float:
    """Return what the gateway itself took of a call that ended at `ended_s` (monotonic): all of its time but that of
    vendors, of queues, and of its body's coming in. Attempts that ran at once count once. Told three times a call, and
    reckoned once.
    """
    known = receipt.overhead
    if known is None or known[0] != ended_s:
        known = receipt.overhead = (ended_s, _overhead_s(receipt, ended_s))
    return known[1]


def _overhead_s(receipt: Receipt, ended_s: float) -> float:
    upstream_s, until_s = 0.0, receipt.started_s
    for attempt in receipt.attempts:
        if attempt.started_s:
            begun_s = max(attempt.started_s, until_s)
            until_s = max(until_s, attempt.ended_s if attempt.ended_s is not None else ended_s)
            upstream_s += max(0.0, until_s - begun_s)
    return max(0.0, ended_s - receipt.started_s - upstream_s - receipt.arrived_s)

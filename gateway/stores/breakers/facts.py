"""What a breaker shows of itself, as JSON."""

from __future__ import annotations

from typing import Any

from gateway.stores.breakers.breaker import Breaker


def standing(breaker: Breaker, now_s: float) -> dict[str, Any]:
    """Return where it stands: `retry_in_s` is None unless it is ejected, `last_error` unless it ever failed."""
    return {
        "state": breaker.state,
        "since_s": _rounded(now_s - breaker.since_s),
        "retry_in_s": _rounded(max(0.0, breaker.until_s - now_s)) if breaker.state in ("open", "half_open") else None,
        "last_error": breaker.last_error or None,
        "last_error_s": None if breaker.last_error_s is None else _rounded(now_s - breaker.last_error_s),
    }


def facts(name: str, breaker: Breaker, now_s: float) -> dict[str, Any]:
    """Return all that is known: where it stands, what it counts, and the numbers that it goes by."""
    succeeded, failed = breaker.counts(now_s)
    policy = breaker.policy
    average_s = breaker.first_content_s
    return {
        "target": name,
        **standing(breaker, now_s),
        "is_told": breaker.is_told,
        "share": _rounded(breaker.share(now_s)) if breaker.state == "returning" else float(breaker.state == "closed"),
        "ejections": breaker.ejections,
        "failures_in_a_row": max(breaker.silent, breaker.broken),
        "succeeded": succeeded,
        "failed": failed,
        "in_flight": breaker.in_flight,
        "first_content_s": None if average_s is None else _rounded(average_s),
        "policy": {
            "consecutive": policy.consecutive,
            "error_percent": policy.error_percent,
            "window_s": policy.window_s,
            "min_requests": policy.min_requests,
            "open_s": policy.open_s,
            "max_open_s": policy.max_open_s,
            "return_s": policy.return_s,
            "max_ejected_percent": policy.max_ejected_percent,
        },
    }


def _rounded(number: float) -> float:
    return round(number, 3)

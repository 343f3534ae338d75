"""What became of the calls that real traffic brought: what health is judged by. Nobody is called to find out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from gateway.telemetry.timing import overhead_s
from gateway.types import Attempt, Receipt

NEWEST = 256  # answers of which times are kept, of each provider and in all
MAX_PROVIDERS = 1_000  # more than any configuration has; reloads bring others
FAILING = 3  # failures in a row; fewer happen to everybody

# Outcomes that are the vendor's to answer for. What the client asked amiss, or left, says nothing of it.
FAULTS = frozenset(
    {
        "upstream_error",
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_cut",
        "upstream_malformed",
        "upstream_unavailable",
        "upstream_rate_limited",
        "upstream_refused_credentials",
    }
)


@dataclass(slots=True)
class Times:
    """The newest times of something, in seconds."""

    newest: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))

    def told_ms(self) -> dict[str, float | None]:
        return {"p50": percentile_ms(self.newest, 0.5), "p95": percentile_ms(self.newest, 0.95)}


@dataclass(slots=True)
class Provider:
    """What was seen of one provider. Moments are of the monotonic clock."""

    attempts: int = 0
    failed: int = 0
    failures_in_a_row: int = 0
    last_ok_s: float | None = None
    last_failure_s: float | None = None
    last_failure: str = ""  # the error's code
    first_content: Times = field(default_factory=Times)
    duration: Times = field(default_factory=Times)

    def told(self, now_s: float) -> dict[str, Any]:
        """Return it as JSON; of moments, how many seconds ago they were."""
        return {
            "attempts": self.attempts,
            "failed": self.failed,
            "failures_in_a_row": self.failures_in_a_row,
            "last_ok_s": ago_s(self.last_ok_s, now_s),
            "last_failure_s": ago_s(self.last_failure_s, now_s),
            "last_failure": self.last_failure or None,
            "first_content_ms": self.first_content.told_ms(),
            "duration_ms": self.duration.told_ms(),
        }


class Seen:
    """Fed with each call that is over. `now` is the clock of receipts."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.calls = 0
        self.failed = 0  # by the gateway's or a vendor's fault
        self.duration = Times()
        self.overhead = Times()
        self._providers: dict[str, Provider] = {}

    def record(self, receipt: Receipt, status: int, ended_s: float) -> None:
        if not receipt.operation:  # health itself, the admin API, what no route serves
            return
        self.calls += 1
        self.failed += status >= 500
        self.duration.newest.append(ended_s - receipt.started_s)
        self.overhead.newest.append(overhead_s(receipt, ended_s))
        for attempt in receipt.attempts:
            if attempt.was_asked:
                self._attempt(attempt, ended_s)

    def provider(self, name: str) -> Provider | None:
        """Return what was seen of a provider, None where nothing was."""
        return self._providers.get(name)

    def keep(self, names: Iterable[str]) -> None:
        """Forget the providers that the configuration no longer has."""
        self._providers = {name: seen for name in names if (seen := self._providers.get(name)) is not None}

    def _attempt(self, attempt: Attempt, ended_s: float) -> None:
        name = attempt.target.partition("/")[0]
        seen = self._providers.get(name)
        if seen is None:
            if len(self._providers) >= MAX_PROVIDERS:
                return
            seen = self._providers[name] = Provider()
        until_s = attempt.ended_s if attempt.ended_s is not None else ended_s
        seen.attempts += 1
        if attempt.outcome == "ok":
            seen.failures_in_a_row, seen.last_ok_s = 0, until_s
            seen.duration.newest.append(until_s - attempt.started_s - attempt.queued_s)
            if attempt.first_content_s is not None:
                seen.first_content.newest.append(attempt.first_content_s - attempt.started_s - attempt.queued_s)
        elif attempt.outcome in FAULTS:
            seen.failed += 1
            seen.failures_in_a_row += 1
            seen.last_failure_s, seen.last_failure = until_s, attempt.outcome


def percentile_ms(seconds: Iterable[float], share: float) -> float | None:
    """Return in milliseconds what `share` of the times do not exceed, None of none."""
    ordered = sorted(seconds)
    return round(ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000, 2) if ordered else None


def ago_s(moment_s: float | None, now_s: float) -> float | None:
    return None if moment_s is None else round(now_s - moment_s, 1)

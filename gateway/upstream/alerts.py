"""Says once that a budget has come to one of its thresholds: in the log, in a metric, and to the operator's webhook.

Whoever settles the amount that crosses a threshold says so: of several processes on one counter, that is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.stores.limits import Claim
from gateway.telemetry.logs import LOGGER
from gateway.telemetry.metrics import Metrics
from gateway.types import NANO_USD

Post = Callable[[Mapping[str, Any]], None]


class Alerts:
    def __init__(self, metrics: Metrics, post: Post) -> None:
        self._metrics = metrics
        self._post = post

    def __call__(self, claim: Claim, before: int, after: int) -> None:
        """`before` and `after` are what was spent of the claim's budget, in nano-dollars."""
        meter = claim.meter
        for percent in crossed(meter.limit.alert_percents, meter.amount, before, after):
            self._metrics.budget_alerts.labels(meter.limit.name, str(percent)).inc()
            LOGGER.warning(
                "the budget '%s' for %s has come to %d %% of %g USD a %s",
                meter.limit.name, claim.subject, percent, meter.amount / NANO_USD, meter.period,
            )  # fmt: skip
            self._post(
                {
                    "alert": "budget",
                    "limit": meter.limit.name,
                    "subject": claim.subject,
                    "percent": percent,
                    "budget_usd": meter.amount / NANO_USD,
                    "spent_usd": after / NANO_USD,
                    "period": meter.period,
                }
            )


def crossed(percents: tuple[int, ...], amount: int, before: int, after: int) -> list[int]:
    """Return the thresholds that lie above `before` and not above `after`."""
    return [percent for percent in percents if before * 100 < percent * amount <= after * 100]

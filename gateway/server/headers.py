"""What every answer says of itself, from its receipt."""

from __future__ import annotations

from gateway.types import NANO_USD, Receipt

SERVER = "ai-service-gateway"
MIN_QUEUED_S = 0.00001  # less is what it takes to see that there is room


def receipt_headers(receipt: Receipt, now_s: float) -> dict[str, str]:
    """Return `x-request-id`, the `x-gateway-*` headers and `server-timing`, as far as is known when the head is sent.

    `now_s` is monotonic. The overhead is what passed since the request's head, less what targets took up to here.
    """
    headers = {"server": SERVER, "x-request-id": receipt.id, "x-gateway-config": receipt.generation}
    if receipt.route:
        headers["x-gateway-route"] = receipt.route
    _tell_timing(headers, receipt, now_s)
    last = receipt.last
    if last is not None:
        provider, _, model = last.target.partition("/")
        headers["x-gateway-provider"] = provider
        headers["x-gateway-model"] = model
        headers["x-gateway-attempts"] = str(sum([attempt.was_asked for attempt in receipt.attempts]))
    if receipt.cache != "off":
        headers["x-gateway-cache"] = receipt.cache
    if any(attempt.is_unpriced for attempt in receipt.attempts):
        headers["x-gateway-cost"] = "unknown"
    elif receipt.cost_nano_usd is not None:
        headers["x-gateway-cost-usd"] = f"{receipt.cost_nano_usd / NANO_USD:.9f}"
    headers.update(receipt.headers)
    return headers


def _tell_timing(headers: dict[str, str], receipt: Receipt, now_s: float) -> None:
    upstream_s = _upstream_s(receipt, now_s)
    queued_s = receipt.queued_s + sum([attempt.queued_s for attempt in receipt.attempts])
    overhead_ms = max(0.0, now_s - receipt.started_s - upstream_s - queued_s) * 1000
    queued = f"queue;dur={queued_s * 1000:.2f}, " if queued_s >= MIN_QUEUED_S else ""
    overhead = f"{overhead_ms:.2f}"
    headers["x-gateway-overhead-ms"] = overhead
    headers["server-timing"] = f"gateway;dur={overhead}, {queued}upstream;dur={upstream_s * 1000:.2f}"


def _upstream_s(receipt: Receipt, now_s: float) -> float:
    """Return for how long any target was asked, its turn taken off; beside each other the time counts once."""
    total_s = until_s = 0.0
    for attempt in receipt.attempts:  # in the order in which they began
        if attempt.started_s:
            end_s = attempt.ended_s or attempt.first_content_s or now_s
            total_s += max(0.0, end_s - max(attempt.started_s + attempt.queued_s, until_s))
            until_s = max(until_s, end_s)
    return total_s

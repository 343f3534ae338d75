"""What every answer says of itself, from its receipt."""

from __future__ import annotations

from gateway.types import NANO_USD, Receipt

SERVER = "ai-service-gateway"


def receipt_headers(receipt: Receipt, now_s: float) -> dict[str, str]:
    """Return `x-request-id`, the `x-gateway-*` headers and `server-timing`, as far as is known when the head is sent.

    `now_s` is monotonic. The overhead is what passed since the request's head, less what targets took up to here.
    """
    headers = {"server": SERVER, "x-request-id": receipt.id, "x-gateway-config": receipt.generation}
    if receipt.route:
        headers["x-gateway-route"] = receipt.route
    headers |= _timing(receipt, now_s)
    last = receipt.last
    if last is not None:
        provider, _, model = last.target.partition("/")
        headers["x-gateway-provider"] = provider
        headers["x-gateway-model"] = model
        headers["x-gateway-attempts"] = str(sum(attempt.outcome != "cached" for attempt in receipt.attempts))
    if receipt.cache != "off":
        headers["x-gateway-cache"] = receipt.cache
    if receipt.cost_nano_usd is not None:
        headers["x-gateway-cost-usd"] = f"{receipt.cost_nano_usd / NANO_USD:.9f}"
    return headers | receipt.headers


def _timing(receipt: Receipt, now_s: float) -> dict[str, str]:
    upstream_s = sum(
        (attempt.ended_s or attempt.first_content_s or now_s) - attempt.started_s
        for attempt in receipt.attempts
        if attempt.started_s
    )
    overhead_ms = max(0.0, now_s - receipt.started_s - upstream_s) * 1000
    return {
        "x-gateway-overhead-ms": f"{overhead_ms:.2f}",
        "server-timing": f"gateway;dur={overhead_ms:.2f}, upstream;dur={upstream_s * 1000:.2f}",
    }

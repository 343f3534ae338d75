"""What Google's error answers mean: `{"error": {code, message, status, details}}` (vendors.md 3 and 5, 2026-11-23)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway import json
from gateway.errors import (
    GatewayError,
    UnsupportedByTarget,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.plugin import retry_after_s

MAX_MESSAGE_CHARS = 2_000  # a vendor's message is quoted to the client; the start is enough

# A 400 that another vendor may well serve. Google tells them apart by their wording only (not verified live).
_OTHERS_MAY = re.compile(
    r"too long|duration limit|exceeds|not supported|unsupported|encoding|sample.?rate|channel|language|model", re.I
)
_DELAY = re.compile(r"([0-9]{1,6}(?:\.[0-9]+)?)s", re.ASCII)
_OURS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "CREDENTIALS_MISSING", "ACCESS_TOKEN_EXPIRED"})


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. The text of 401 and 403 is not quoted: it may show parts of the key."""
    error = _error_object(body)
    message = str(error.get("message") or f"the vendor answered {status} without a message")[:MAX_MESSAGE_CHARS]
    given = error.get("details")
    details = [detail for detail in given if isinstance(detail, dict)] if isinstance(given, list) else []
    reasons = {detail.get("reason") for detail in details}
    wait_s = retry_after_s(headers) or _retry_info_s(details)
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    if status in (401, 403) or reasons & _OURS:
        return UpstreamRefusedUs(f"the vendor answered {status}: it does not accept the gateway's credentials")
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=wait_s)
    if status == 404:
        return UpstreamNotFound(message)
    if status == 408 or status >= 500:
        return UpstreamUnavailable(message, retry_after_s=wait_s)
    if status == 413 or _OTHERS_MAY.search(message):
        return UnsupportedByTarget(message)
    return UpstreamRejected(message)


def object_error(error: Any) -> GatewayError:
    """Return what an `error` inside a 200 means."""
    fields = error if isinstance(error, dict) else {"message": str(error)}
    code = fields.get("code")
    return parse_error(code if isinstance(code, int) and 400 <= code < 600 else 500, {}, json.dumps({"error": fields}))


def _retry_info_s(details: list[dict[str, Any]]) -> float | None:
    """`google.rpc.RetryInfo` says how long to wait, as "17s"."""
    for detail in details:
        delay = _DELAY.fullmatch(str(detail.get("retryDelay", "")))
        if delay is not None:
            return float(delay[1])
    return None


def _error_object(body: bytes) -> dict[str, Any]:
    """Return the `error` of a body; {} for a page of HTML and the like."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    if isinstance(value, list) and value:
        value = value[0]
    inner = value.get("error") if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}

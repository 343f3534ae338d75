"""What Deepgram's error answers mean (vendors.md 7, 2026-11-23).

Two shapes are about, `{err_code, err_msg, request_id}` and `{category, message, details, request_id}`, and plain text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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

# A 400 that another vendor may well serve: Deepgram tells them apart by code and wording (third-party texts).
_OTHERS_MAY = re.compile(
    r"character limit|too long|no such model|model/language/tier|unsupported|not supported|not available|combination",
    re.I,
)


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. The text of 401 and 403 is not quoted: it may show parts of the key."""
    message = _message(status, body)
    wait_s = retry_after_s(headers)
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    if status in (401, 403):
        return UpstreamRefusedUs(f"the vendor answered {status}: it does not accept the gateway's credentials")
    if status == 402:
        return UpstreamRefusedUs("the vendor says that the gateway's account has no credit left")
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=wait_s)
    if status == 404:
        return UpstreamNotFound(message)
    if status == 408 or status >= 500:
        return UpstreamUnavailable(message, retry_after_s=wait_s)
    if status == 413 or _OTHERS_MAY.search(message):
        return UnsupportedByTarget(message)
    return UpstreamRejected(message)


def _message(status: int, body: bytes) -> str:
    nothing = f"the vendor answered {status} without a message"
    try:
        value = json.loads(body)
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
        return nothing if not text or text.startswith("<") else text[:MAX_MESSAGE_CHARS]
    fields = value if isinstance(value, dict) else {}
    message = str(fields.get("err_msg") or fields.get("message") or nothing)
    details = fields.get("details")
    return (f"{message}: {details}" if isinstance(details, str) and details else message)[:MAX_MESSAGE_CHARS]

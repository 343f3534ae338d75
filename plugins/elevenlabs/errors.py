"""What ElevenLabs' error answers mean (vendors.md 8, 2026-11-23).

`{"detail": {"status", "message"}}`, a bare text as `detail`, or FastAPI's list of faults with a 422. A 401 may mean
that the account's quota is used up, and a 429 that too many requests are under way or that the vendor is busy.
"""

from __future__ import annotations

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

_OUT_OF_CREDIT = frozenset({"quota_exceeded", "payment_required", "insufficient_credits"})
# Another vendor may well serve what this one says so of.
_OTHERS_MAY = frozenset(
    {
        "max_character_limit_exceeded",
        "text_too_long",
        "voice_not_found",
        "invalid_voice_id",
        "output_format_not_allowed",
        "unsupported_output_format",
        "unsupported_language",
        "model_can_not_do_text_to_speech",
    }
)
_NO_MODEL = frozenset({"model_not_found", "invalid_model_id"})


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. What is said about keys is not quoted: it may show parts of them."""
    kind, message, param = _read(status, body)
    wait_s = retry_after_s(headers)
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    if kind in _OUT_OF_CREDIT or status == 402:
        return UpstreamRefusedUs("the vendor says that the gateway's account has no credit left")
    if status in (401, 403):
        return UpstreamRefusedUs(f"the vendor answered {status}: it does not accept the gateway's credentials")
    if kind in _OTHERS_MAY:
        return UnsupportedByTarget(message)
    if kind == "system_busy" or status == 408 or status >= 500:
        return UpstreamUnavailable(message, retry_after_s=wait_s)
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=wait_s)
    if status == 404 or kind in _NO_MODEL:
        return UpstreamNotFound(message)
    return UpstreamRejected(message, param=param)


def _read(status: int, body: bytes) -> tuple[str, str, str | None]:
    """Return the vendor's word for it, its message, and the field that is at fault."""
    message = f"the vendor answered {status} without a message"
    try:
        value = json.loads(body)
    except ValueError:
        return "", message, None
    detail: Any = value.get("detail") if isinstance(value, dict) else None
    if isinstance(detail, str):
        return "", detail[:MAX_MESSAGE_CHARS] or message, None
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        place = detail[0].get("loc")
        param = ".".join(str(part) for part in place if part != "body") if isinstance(place, list) else None
        return "", str(detail[0].get("msg") or message)[:MAX_MESSAGE_CHARS], param
    if isinstance(detail, dict):
        kind = str(detail.get("status") or detail.get("code") or "")
        return kind, str(detail.get("message") or message)[:MAX_MESSAGE_CHARS], None
    return "", message, None

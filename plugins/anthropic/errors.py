"""What Anthropic's error answers mean, also those inside a 200 (vendors.md 2; error codes of anthropic 2.12.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import json
from gateway.errors import (
    ContentRefused,
    ContextExceeded,
    GatewayError,
    UnsupportedByTarget,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.plugin import retry_after_s

from .foreign import mapping, text

MAX_MESSAGE_CHARS = 2_000  # a vendor's message is quoted to the client; the start is enough

# The status that each type comes with, for errors that arrive after a 200.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# What waiting a minute does not mend: the operator's account has reached a limit of money, or is shut.
_OUT_OF_MONEY = frozenset(
    {
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "organization_on_hold",
    }
)
_MONEY_WORDS = ("credit balance", "spend limit", "spending limit", "usage limits")  # in a 400, which has no code for it


# Told apart from other 400s by their wording only.
_TOO_LONG_WORDS = ("prompt is too long", "exceed context limit")
_UNWANTED_WORDS = "blocked by content filtering policy"


class RequestTooLarge(UnsupportedByTarget):
    """More than this vendor takes; another may take it."""

    status = 413
    code = "request_too_large"


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. The text of 401 and 403 is not quoted: it may show parts of the key."""
    error = _error_object(body)
    message = (text(error.get("message")) or f"the vendor answered {status} without a message")[:MAX_MESSAGE_CHARS]
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    if status == 402 or _is_about_money(status, error, headers, message):
        return UpstreamRefusedUs("the vendor says that the gateway's account has reached its limit of spending")
    if status in (401, 403):
        return UpstreamRefusedUs(f"the vendor answered {status}: it does not accept the gateway's credentials")
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=retry_after_s(headers))
    if status == 404:
        return UpstreamNotFound(message)
    if status == 413:
        return RequestTooLarge(message)
    if status == 504:
        return UpstreamTimeout(message, retry_after_s=retry_after_s(headers))
    if status in (408, 409) or status >= 500:
        return UpstreamUnavailable(message, retry_after_s=retry_after_s(headers))
    if any(words in message for words in _TOO_LONG_WORDS):
        return ContextExceeded(message, param="messages")
    if _UNWANTED_WORDS in message:
        return ContentRefused(message)
    return UpstreamRejected(message)


def stream_error(error: Any) -> GatewayError:
    """Return what an `error` inside a 200 means: by its type, as if it had come with that type's status."""
    fields = error if isinstance(error, dict) else {"message": str(error)}
    status = _STATUS.get(str(fields.get("type")), 500)
    return parse_error(status, {}, json.dumps({"type": "error", "error": fields}))


def parse_object(data: bytes, what: str) -> dict[str, Any]:
    """Return the JSON object in `data`. Raises UpstreamMalformed, or the error that it holds instead."""
    try:
        value = json.loads(data)
    except ValueError as error:
        raise UpstreamMalformed(f"{what} is not JSON, or was cut") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed(f"{what} is not a JSON object")
    if value.get("type") == "error":
        raise stream_error(value.get("error"))
    return value


def _is_about_money(status: int, error: Mapping[str, Any], headers: Mapping[str, str], message: str) -> bool:
    code = text(mapping(error.get("details")).get("error_code"))
    if code in _OUT_OF_MONEY or error.get("type") == "billing_error":
        return True
    is_open = status == 400 or (status == 429 and retry_after_s(headers) is None)  # a real rate limit says when
    return is_open and any(words in message.lower() for words in _MONEY_WORDS)


def _error_object(body: bytes) -> Mapping[str, Any]:
    """Return the `error` of a body; {} for a page of HTML and the like."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return mapping(mapping(value).get("error"))

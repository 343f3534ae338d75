"""What OpenAI's error answers mean (vendors.md 1, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway import json
from gateway.errors import (
    ContentRefused,
    ContextExceeded,
    GatewayError,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.plugin import retry_after_s

MAX_MESSAGE_CHARS = 2_000  # a vendor's message is quoted to the client; the start is enough

# 429s that waiting does not mend: the operator's account is empty.
_OUT_OF_CREDIT = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
_TOO_LONG = "context_length_exceeded"
_TOO_LONG_WORDS = (
    "maximum context length",
    "context window",
)  # of servers that speak OpenAI's format without its codes
# OpenAI's own, and Azure's content_filter.
_UNWANTED = frozenset({"content_policy_violation", "content_filter", "invalid_prompt", "moderation_blocked"})


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. The text of 401 and 403 is not quoted: it may show parts of the key."""
    error = _error_object(body)
    message = str(error.get("message") or f"the vendor answered {status} without a message")[:MAX_MESSAGE_CHARS]
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    if str(error.get("code")) in _UNWANTED or _is_flagged(error):
        return ContentRefused(message)
    if status in (401, 403):
        return UpstreamRefusedUs(f"the vendor answered {status}: it does not accept the gateway's credentials")
    if status == 402 or str(error.get("code")) in _OUT_OF_CREDIT or str(error.get("type")) in _OUT_OF_CREDIT:
        return UpstreamRefusedUs("the vendor says that the gateway's account has no credit left")
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=retry_after_s(headers))
    if status == 404:
        return UpstreamNotFound(message)
    if status == 408 or status >= 500:
        return UpstreamUnavailable(message, retry_after_s=retry_after_s(headers))
    param = error.get("param")
    if error.get("code") == _TOO_LONG or any(words in message.lower() for words in _TOO_LONG_WORDS):
        return ContextExceeded(message, param=param if isinstance(param, str) else None)
    return UpstreamRejected(message, param=param if isinstance(param, str) else None)


def stream_error(error: Any) -> GatewayError:
    """Return what an `error` inside a 200 means: OpenRouter gives a status as its code, OpenAI a word."""
    fields = error if isinstance(error, dict) else {"message": str(error)}
    message = str(fields.get("message") or "the vendor broke off with an error")[:MAX_MESSAGE_CHARS]
    code = fields.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return parse_error(code, {}, json.dumps({"error": fields}))
    if code == "rate_limit_exceeded" or fields.get("type") == "rate_limit_error":
        return UpstreamRateLimited(message)
    if code == _TOO_LONG:
        return ContextExceeded(message)
    if str(code) in _UNWANTED:
        return ContentRefused(message)
    return UpstreamUnavailable(message)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a 200. Raises UpstreamMalformed, or the error that it holds instead of an answer."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UpstreamMalformed("the vendor's answer is not JSON, or was cut") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed("the vendor's answer is not a JSON object")
    if value.get("error"):
        raise stream_error(value["error"])
    return value


def _is_flagged(error: dict[str, Any]) -> bool:
    """OpenRouter says with a 403 that an input was flagged, and for what."""
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _error_object(body: bytes) -> dict[str, Any]:
    """Return the `error` of a body, also where it stands flat (vLLM); {} for a page of HTML and the like."""
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    if isinstance(value, list) and value:
        value = value[0]  # Gemini's OpenAI-compatible endpoint answers with an array
    if not isinstance(value, dict):
        return {}
    inner = value.get("error")
    if isinstance(inner, dict):
        return inner
    return {"message": inner} if isinstance(inner, str) else value

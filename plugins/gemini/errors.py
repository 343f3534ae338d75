"""What Google's error answers mean (vendors.md 3, 2026-11-23): the wait stands in the body, not in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway import json
from gateway.errors import (
    ContextExceeded,
    GatewayError,
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

MAX_MESSAGE_CHARS = 2_000  # a vendor's message is quoted to the client; the start is enough

_DURATION = re.compile(r"(\d+(?:\.\d+)?)s", re.ASCII)  # google.protobuf.Duration as JSON
_TOO_LONG_WORDS = "input token count"  # "The input token count (9) exceeds the maximum number of tokens allowed (8)."
# Reasons of google.rpc.ErrorInfo with which Google answers 400 although the key or account is at fault.
_OUR_FAULT = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED", "BILLING_DISABLED"})


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. The text of 401 and 403 is not quoted: it may show parts of the key."""
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    return _meaning(status, _error_object(body), headers)


def stream_error(error: Any) -> GatewayError:
    """Return what an `error` inside a 200 means."""
    fields = error if isinstance(error, dict) else {"message": str(error)}
    code = fields.get("code")
    return _meaning(code if isinstance(code, int) and 400 <= code < 600 else 503, fields, {})


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a 200. Raises UpstreamMalformed, or the error that it holds instead of an answer."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UpstreamMalformed("the vendor's answer is not JSON, or was cut") from error
    if isinstance(value, list) and len(value) == 1:
        value = value[0]  # errors of a stream come in an array
    if not isinstance(value, dict):
        raise UpstreamMalformed("the vendor's answer is not a JSON object")
    if value.get("error"):
        raise stream_error(value["error"])
    return value


def _meaning(status: int, error: Mapping[str, Any], headers: Mapping[str, str]) -> GatewayError:
    message = str(error.get("message") or f"the vendor answered {status} without a message")[:MAX_MESSAGE_CHARS]
    if status in (401, 403) or any(detail.get("reason") in _OUR_FAULT for detail in _details(error)):
        return UpstreamRefusedUs(f"the vendor answered {status}: it does not accept the gateway's credentials")
    if status == 400 and error.get("status") == "FAILED_PRECONDITION":  # no billing, or a country that is not served
        return UpstreamRefusedUs(f"the vendor does not serve the gateway's account: {message}")
    wait_s = _retry_delay_s(error)
    wait_s = retry_after_s(headers) if wait_s is None else wait_s
    if status == 429:
        return UpstreamRateLimited(message, retry_after_s=wait_s)
    if status == 404:
        return UpstreamNotFound(message)
    if status == 504:
        return UpstreamTimeout(message, retry_after_s=wait_s)
    if status == 408 or status == 499 or status >= 500:
        return UpstreamUnavailable(message, retry_after_s=wait_s)
    if _TOO_LONG_WORDS in message:
        return ContextExceeded(message, param=_field(error))
    return UpstreamRejected(message, param=_field(error))


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            yield detail


def _retry_delay_s(error: Mapping[str, Any]) -> float | None:
    for detail in _details(error):
        match = _DURATION.fullmatch(str(detail.get("retryDelay", "")))
        if match is not None:
            return float(match.group(1))
    return None


def _field(error: Mapping[str, Any]) -> str | None:
    """Return the first field that a google.rpc.BadRequest names."""
    for detail in _details(error):
        violations = detail.get("fieldViolations")
        if isinstance(violations, list) and violations and isinstance(violations[0], dict):
            field = violations[0].get("field")
            return field if isinstance(field, str) and field else None
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

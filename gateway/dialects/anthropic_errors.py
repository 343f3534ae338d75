"""Anthropic's error body (vendors.md 2, 2026-11-23), shared by all its dialects."""

from __future__ import annotations

from gateway import json, sse
from gateway.errors import GatewayError

# Anthropic's `type` for a status; its own 529 is a 503 here, since proxies know no 529.
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_object(error: GatewayError, request_id: str) -> dict[str, object]:
    """Return `{"type": "error", "error": {type, message}, "request_id"}`; a field at fault is named by the message."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}


def encode_json_error(error: GatewayError, request_id: str) -> bytes:
    return json.dumps(error_object(error, request_id))


def encode_sse_error(error: GatewayError, request_id: str) -> bytes:
    """An event named `error`: the official client raises on it, and does not see it without the name."""
    return sse.write(encode_json_error(error, request_id), "error")

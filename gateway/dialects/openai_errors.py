"""OpenAI's error body (vendors.md 1, read from its OpenAPI file 2026-11-23), shared by all its dialects."""

from __future__ import annotations

from gateway import json, sse
from gateway.errors import GatewayError

# OpenAI's `type` for each of our codes; what is not here goes by its status.
_TYPES = {
    "invalid_api_key": "authentication_error",
    "permission_denied": "permission_error",
    "rate_limit_exceeded": "rate_limit_error",
    "budget_exceeded": "insufficient_quota",
    "upstream_rate_limited": "rate_limit_error",
}


def error_object(error: GatewayError, request_id: str) -> dict[str, object]:
    """Return `{"error": {message, type, param, code, request_id}}`."""
    default = "invalid_request_error" if error.status < 500 else "server_error"
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(error.code, default),
            "param": error.param,
            "code": error.code,
            "request_id": request_id,
        }
    }


def encode_json_error(error: GatewayError, request_id: str) -> bytes:
    return json.dumps(error_object(error, request_id))


def encode_sse_error(error: GatewayError, request_id: str) -> bytes:
    """An event whose JSON has an `error`: the official client raises APIError on it (vendors.md 1.1)."""
    return sse.write(encode_json_error(error, request_id))

"""Google's error body, `google.rpc.Status` as JSON (vendors.md 3, 2026-11-23), shared by all its dialects."""

from __future__ import annotations

from typing import Any

from gateway import json
from gateway.errors import GatewayError

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    508: "FAILED_PRECONDITION",
}
_TYPE = "type.googleapis.com/google.rpc."


def encode_json_error(error: GatewayError, request_id: str) -> bytes:
    return json.dumps(_error(error, request_id))


def encode_sse_error(error: GatewayError, request_id: str) -> bytes:
    """An event whose JSON has an `error`: the official client raises ServerError on it (vendors.md 3)."""
    return b"data: %b\r\n\r\n" % encode_json_error(error, request_id)


def _error(error: GatewayError, request_id: str) -> dict[str, Any]:
    """Return `{"error": {code, message, status, details}}`; the wait stands in the details, as Google has it."""
    details: list[dict[str, Any]] = [
        {"@type": f"{_TYPE}ErrorInfo", "reason": error.code.upper(), "domain": "gateway"},
        {"@type": f"{_TYPE}RequestInfo", "requestId": request_id},
    ]
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if error.retry_after_s is not None:
        details.append(
            {"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{error.retry_after_s:.3f}".rstrip("0").rstrip(".") + "s"}
        )
    status = _STATUSES.get(error.status, "INTERNAL")
    return {"error": {"code": error.status, "message": error.message, "status": status, "details": details}}

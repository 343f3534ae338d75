"""Anthropic's error body and the types that come with each status (vendors.md 2, 2026-11-23).

The wordings are near those of the live API and are not verified word for word; tests should look at status and type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.vendors.answers import Answer, Headers
from tests.vendors.faults import Fault
from tests.vendors.sse import compact

JSON_HEADERS: Headers = (("content-type", "application/json"),)
# status -> (type, message) of the failures of the service itself.
SERVICE_FAILURES: dict[int, tuple[str, str]] = {
    400: ("invalid_request_error", "Your request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    409: ("conflict_error", "The request conflicts with another one."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "Request timed out."),
    529: ("overloaded_error", "Overloaded"),
}


@dataclass(eq=False)  # not frozen: contextlib writes an exception's traceback
class Refusal(Exception):
    """A request the vendor's rules refuse."""

    message: str
    status: int = 400
    type: str = "invalid_request_error"

    def __str__(self) -> str:
        return self.message


def error_body(message: str, kind: str, request_id: str, code: str | None = None) -> dict[str, Any]:
    """Return `{"type": "error", "error": {...}, "request_id"}`; `details` only where there is a code."""
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}, "request_id": request_id}


def refusal_answer(refusal: Refusal, request_id: str) -> Answer:
    """Return a refusal as an HTTP answer."""
    return Answer(refusal.status, JSON_HEADERS, (compact(error_body(refusal.message, refusal.type, request_id)),))


def fault_body(fault: Fault) -> dict[str, Any]:
    """Return the error body for a scripted failure; 503 and other statuses the vendor does not use are api_error."""
    kind, message = SERVICE_FAILURES.get(fault.status, SERVICE_FAILURES[500])
    return error_body(fault.message or message, kind, "req_fault", fault.code)

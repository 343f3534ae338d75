"""Google's error body and the statuses that come with it (vendors.md 3, 2026-11-23).

The wordings are those known from the live API in 2025/26, not verified word for word: tests should look at code, status
and details. How long to wait stands in the body as RetryInfo, never in a header.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.vendors.answers import Answer, Headers
from tests.vendors.faults import Fault
from tests.vendors.sse import compact

JSON_HEADERS: Headers = (("content-type", "application/json; charset=UTF-8"), ("vary", "X-Origin"))
RPC = "type.googleapis.com/google.rpc."
# HTTP status -> (canonical name, message) of the failures of the service itself.
SERVICE_FAILURES: dict[int, tuple[str, str]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "models/x is not found for API version v1beta, or is not supported for generateContent."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
}


@dataclass(eq=False)  # not frozen: contextlib writes an exception's traceback
class Refusal(Exception):
    """A request the vendor's rules refuse."""

    message: str
    code: int = 400
    status: str = "INVALID_ARGUMENT"
    details: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.message


def bad_field(field: str, message: str) -> Refusal:
    """Return a refusal with the BadRequest that Google adds for a field."""
    violation = {"field": field, "description": message}
    return Refusal(f"* {field}: {message}", details=({"@type": f"{RPC}BadRequest", "fieldViolations": [violation]},))


def bad_key(domain: str = "googleapis.com") -> Refusal:
    """Return what Google says of a wrong key: 400, told from other 400s by its reason alone."""
    info = {"@type": f"{RPC}ErrorInfo", "reason": "API_KEY_INVALID", "domain": domain}
    return Refusal("API key not valid. Please pass a valid API key.", details=(info,))


def refusal_answer(refusal: Refusal) -> Answer:
    """Return a refusal as an HTTP answer."""
    body = error_body(refusal.code, refusal.message, refusal.status, list(refusal.details))
    return Answer(refusal.code, JSON_HEADERS, (compact(body),))


def fault_body(fault: Fault) -> dict[str, Any]:
    """Return the error object for a scripted failure; `fault.code` overrides the canonical name."""
    status, message = SERVICE_FAILURES.get(fault.status, SERVICE_FAILURES[500])
    details: list[dict[str, Any]] = []
    if fault.retry_after_s is not None:
        details.append({"@type": f"{RPC}RetryInfo", "retryDelay": f"{fault.retry_after_s:g}s"})
    return error_body(fault.status, fault.message or message, fault.code or status, details)


def error_body(code: int, message: str, status: str, details: list[dict[str, Any]]) -> dict[str, Any]:
    """Return `{"error": {...}}`; Google leaves empty details out."""
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    return {"error": error | ({"details": details} if details else {})}

"""OpenAI's error body and the statuses that come with it.

Shape: vendors.md 1 (from openai's OpenAPI file, all four keys required). The wordings are those known from the live API
in 2025/26 and are not verified word for word; tests should look at status, type, param and code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.vendors.answers import Answer, Headers
from tests.vendors.faults import Fault
from tests.vendors.sse import compact

JSON_HEADERS: Headers = (("content-type", "application/json"),)
# status -> (type, code, message) of the failures of the service itself.
SERVICE_FAILURES: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "We could not parse the JSON body of your request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported"),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    408: ("timeout", None, "Request timed out."),
    409: ("conflict", None, "The resource was changed by another request."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again in 1s."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("service_unavailable_error", "server_is_overloaded", "The server is currently overloaded."),
}
# code -> (type, message) where a status alone does not tell: 429 with insufficient_quota must not be retried.
CODED_FAILURES: dict[str, tuple[str, str]] = {
    "insufficient_quota": ("insufficient_quota", "You exceeded your current quota, please check your plan."),
    "credit_balance_exhausted": ("insufficient_quota", "Your credit balance is exhausted."),
    "slow_down": ("rate_limit_error", "Your request rate rose too fast. Please slow down."),
}


@dataclass(eq=False)  # not frozen: contextlib writes an exception's traceback
class Refusal(Exception):
    """A request the vendor's rules refuse."""

    message: str
    param: str | None = None
    code: str | None = None
    status: int = 400
    type: str = "invalid_request_error"

    def __str__(self) -> str:
        return self.message


def refusal_answer(refusal: Refusal) -> Answer:
    """Return a refusal as an HTTP answer."""
    body = error_body(refusal.message, refusal.type, refusal.param, refusal.code)
    return Answer(refusal.status, JSON_HEADERS, (compact(body),))


def fault_body(fault: Fault) -> dict[str, Any]:
    """Return the error object for a scripted failure."""
    kind, code, message = SERVICE_FAILURES.get(fault.status, SERVICE_FAILURES[500])
    if fault.code is not None:
        code = fault.code
        kind, message = CODED_FAILURES.get(fault.code, (kind, message))
    return error_body(fault.message or message, kind, None, code)


def error_body(message: str, kind: str, param: str | None, code: str | None) -> dict[str, Any]:
    """Return `{"error": {...}}` with all four keys."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}

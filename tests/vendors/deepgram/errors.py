"""Deepgram's two shapes of errors (vendors.md 7); which endpoint uses which is not verified live."""

from __future__ import annotations

import json

from tests.vendors.answers import Answer, Headers
from tests.vendors.faults import Fault

JSON_HEADERS: Headers = (("content-type", "application/json"),)
REQUEST_ID = "00000000-0000-0000-0000-000000000000"
CODES = {
    400: "Bad Request",
    401: "INVALID_AUTH",
    402: "ASR_PAYMENT_REQUIRED",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    413: "PAYLOAD_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}


class Refusal(Exception):
    """A request the vendor's rules refuse."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code = status, code or CODES.get(status, "INTERNAL_SERVER_ERROR")


def refusal_answer(refusal: Refusal) -> Answer:
    """Return a refusal in the older shape."""
    body = {"err_code": refusal.code, "err_msg": str(refusal), "request_id": REQUEST_ID}
    return Answer(refusal.status, JSON_HEADERS, (json.dumps(body).encode(),))


def fault_answer(fault: Fault) -> Answer:
    """Return a fault in the newer shape."""
    code = fault.code or CODES.get(fault.status, "INTERNAL_SERVER_ERROR")
    body = {"category": code, "message": fault.message or "Simulated failure.", "details": "", "request_id": REQUEST_ID}
    return Answer(fault.status, (*JSON_HEADERS, *fault.retry_headers()), (json.dumps(body).encode(),))

"""ElevenLabs' errors: `{"detail": {"status", "message"}}`, and FastAPI's list for a 422 (vendors.md 8)."""

from __future__ import annotations

import json
from typing import Any

from tests.vendors.answers import Answer, Headers
from tests.vendors.faults import Fault

JSON_HEADERS: Headers = (("content-type", "application/json"),)
STATUSES = {
    400: "invalid_request",
    401: "invalid_api_key",
    402: "payment_required",
    403: "missing_permissions",
    404: "not_found",
    429: "too_many_concurrent_requests",
    503: "system_busy",
}


class Refusal(Exception):
    """A request the vendor's rules refuse. `place` makes it a 422 that names the field."""

    def __init__(self, message: str, status: int = 400, kind: str = "", place: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status, self.kind, self.place = status, kind or STATUSES.get(status, "error"), place


def refusal_answer(refusal: Refusal) -> Answer:
    """Return a refusal as an HTTP answer."""
    detail: Any = {"status": refusal.kind, "message": str(refusal)}
    if refusal.place:
        detail = [{"loc": list(refusal.place), "msg": str(refusal), "type": "value_error"}]
        return Answer(422, JSON_HEADERS, (json.dumps({"detail": detail}).encode(),))
    return Answer(refusal.status, JSON_HEADERS, (json.dumps({"detail": detail}).encode(),))


def fault_answer(fault: Fault) -> Answer:
    """Return a fault; its code is the `status` in words."""
    detail = {"status": fault.code or STATUSES.get(fault.status, "error"), "message": fault.message or "Simulated."}
    return Answer(fault.status, (*JSON_HEADERS, *fault.retry_headers()), (json.dumps({"detail": detail}).encode(),))

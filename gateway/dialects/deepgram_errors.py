"""Deepgram's error answers: `{"err_code", "err_msg", "request_id"}` (vendors.md 7, deepgram-sdk 7.17.0, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway import json
from gateway.dialects.voicing import renamed
from gateway.errors import GatewayError

NAMES: Mapping[str, str] = {"voice": "model", "input": "text", "response_format": "encoding"}

_CODES: Mapping[int, str] = {
    400: "Bad Request",
    401: "INVALID_AUTH",
    402: "ASR_PAYMENT_REQUIRED",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    413: "PAYLOAD_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
}


class DeepgramErrors:
    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        message, field = renamed(error, NAMES)
        code = _CODES.get(error.status, error.code.upper())
        told = {"err_code": code, "err_msg": message, "request_id": request_id}
        return json.dumps(told | ({"param": field} if field is not None else {}))

    def error_head(self, error: GatewayError, request_id: str) -> tuple[int, Mapping[str, str]]:
        return error.status, {"dg-request-id": request_id}

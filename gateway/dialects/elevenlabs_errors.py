"""ElevenLabs' error answers: `{"detail": {"status", "message"}}` (vendors.md 8, elevenlabs 2.78.0, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway import json
from gateway.dialects.voicing import renamed
from gateway.errors import GatewayError

NAMES: Mapping[str, str] = {
    "voice": "voice_id",
    "input": "text",
    "response_format": "output_format",
    "model": "model_id",
    "url": "source_url",
}

_STATUSES: Mapping[int, str] = {
    401: "invalid_api_key",
    402: "quota_exceeded",
    403: "missing_permissions",
    404: "not_found",
    413: "file_too_large",
    429: "too_many_concurrent_requests",
    503: "system_busy",
}


class ElevenLabsErrors:
    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        message, field = renamed(error, NAMES)
        detail = {"status": _status(error, field), "message": message, "request_id": request_id}
        return json.dumps({"detail": detail | ({"param": field} if field is not None else {})})

    def error_head(self, error: GatewayError, request_id: str) -> tuple[int, Mapping[str, str]]:
        is_voice = renamed(error, NAMES)[1] == "voice_id" and error.status == 400
        return (404 if is_voice else error.status), {"request-id": request_id}


def _status(error: GatewayError, field: str | None) -> str:
    if field == "voice_id":
        return "voice_not_found"
    if field == "text" and error.code == "unsupported":  # all that a target can have against a text
        return "max_character_limit_exceeded"
    return _STATUSES.get(error.status, error.code)

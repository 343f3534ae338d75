"""Polly's error answers: `x-amzn-ErrorType` and `{"message"}` (vendors.md 6, botocore 1.44.5, 2026-11-23).

Its clients go by the type, of which boto3 makes an exception of that name, and AWS throttles with a 400.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway import json
from gateway.dialects.voicing import renamed
from gateway.errors import GatewayError

NAMES: Mapping[str, str] = {"voice": "VoiceId", "input": "Text", "response_format": "OutputFormat", "model": "Engine"}

_OF_CODE: Mapping[str, tuple[int, str]] = {
    "invalid_api_key": (403, "UnrecognizedClientException"),
    "unknown_access_key": (403, "UnrecognizedClientException"),
    "invalid_signature": (403, "InvalidSignatureException"),
    "signature_expired": (403, "RequestExpired"),
    "permission_denied": (403, "AccessDeniedException"),
    "budget_exceeded": (402, "ServiceQuotaExceededException"),
}
_OF_FIELD: Mapping[str, str] = {
    "SampleRate": "InvalidSampleRateException",
    "SpeechMarkTypes": "MarksNotSupportedForFormatException",
    "LanguageCode": "LanguageNotSupportedException",
}


class PollyErrors:
    """The errors of all its operations."""

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return json.dumps({"message": renamed(error, NAMES)[0]})

    def error_head(self, error: GatewayError, request_id: str) -> tuple[int, Mapping[str, str]]:
        status, kind = _kind(error)
        return status, {"x-amzn-errortype": kind, "x-amzn-requestid": request_id}


def _kind(error: GatewayError) -> tuple[int, str]:
    if error.code in _OF_CODE:
        return _OF_CODE[error.code]
    if error.status == 429:
        return 400, "ThrottlingException"
    if error.status >= 500:
        return error.status, "ServiceFailureException" if error.status < 503 else "ServiceUnavailableException"
    if error.status == 404:
        return 404, "ResourceNotFoundException"
    field = renamed(error, NAMES)[1] or ""
    if field == "Text" and error.code == "unsupported":  # all that a target can have against a text
        return 400, "TextLengthExceededException"
    return error.status, _OF_FIELD.get(field, "ValidationException")

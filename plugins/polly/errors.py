"""What Polly's error answers mean: `x-amzn-ErrorType` and `{"message"}` (vendors.md 6, botocore 1.44.5, 2026-11-23).

Almost everything is a 400, throttling too, so the type decides and not the status. There is no Retry-After.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway import json
from gateway.errors import (
    GatewayError,
    UnsupportedByTarget,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.plugin import retry_after_s

MAX_MESSAGE_CHARS = 2_000  # a vendor's message is quoted to the client; the start is enough

_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded"}
)
_OTHERS_MAY = frozenset(
    {
        "TextLengthExceededException",
        "InvalidSampleRateException",
        "LanguageNotSupportedException",
        "EngineNotSupportedException",
        "LexiconNotFoundException",
        "MarksNotSupportedForFormatException",
        "SsmlMarksNotSupportedForTextTypeException",
    }
)
# Names of IAM's own errors are not in Polly's model; these are those of the AWS SDKs' common errors.
_OURS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "ExpiredTokenException",
        "ExpiredToken",
        "AccessDeniedException",
        "OptInRequired",
    }
)
_OUT_OF_QUOTA = frozenset({"ServiceQuotaExceededException"})


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. What is said about credentials is not quoted: it may show parts of them."""
    kind, message = _kind(headers, body), _message(status, body)
    wait_s = retry_after_s(headers)
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    if kind in _THROTTLED or status == 429:
        return UpstreamRateLimited(message, retry_after_s=wait_s)
    if kind in _OUT_OF_QUOTA or status == 402:
        return UpstreamRefusedUs("the vendor says that a quota of the gateway's account is used up")
    if kind in _OURS or status in (401, 403):
        return UpstreamRefusedUs(
            f"the vendor answered {status} {kind}".rstrip() + ": it does not accept the gateway's credentials"
        )
    if status == 408 or status >= 500:
        return UpstreamUnavailable(message, retry_after_s=wait_s)
    if kind in _OTHERS_MAY:
        return UnsupportedByTarget(message)
    if "voice" in message.lower() and kind == "ValidationException":
        return UnsupportedByTarget(message)  # an id that Polly does not know, or not for this engine
    return UpstreamRejected(message)


def _kind(headers: Mapping[str, str], body: bytes) -> str:
    """Return the type without the address that may follow it; old services put it into the body as `__type`."""
    kind = headers.get("x-amzn-errortype", "") or str(_fields(body).get("__type", ""))
    return kind.partition(":")[0].rpartition("#")[2].strip()[:80]


def _message(status: int, body: bytes) -> str:
    fields = _fields(body)
    message = fields.get("message") or fields.get("Message") or f"the vendor answered {status} without a message"
    return str(message)[:MAX_MESSAGE_CHARS]


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

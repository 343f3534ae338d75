"""What Bedrock's errors mean; `x-amzn-errortype` names them (vendors.md 8, botocore 1.44.5, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway import json
from gateway.errors import (
    ContentRefused,
    ContextExceeded,
    GatewayError,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.plugin import retry_after_s

MAX_MESSAGE_CHARS = 2_000  # a vendor's message is quoted to the client; the start is enough
_LIMITED = frozenset({"ThrottlingException", "ServiceQuotaExceededException", "TooManyRequestsException"})
_CREDENTIALS = frozenset(
    {"ExpiredTokenException", "IncompleteSignatureException", "MissingAuthenticationTokenException"}
)
# A ValidationException says by its words alone what it is about; they are Amazon's, or the model's own.
_TOO_LONG_WORDS = ("input is too long", "prompt is too long", "exceed context limit", "maximum context length")
_UNWANTED_WORDS = "blocked by content filtering policy"
_NO_MODEL = "model identifier is invalid"  # comes as a ValidationException with 400


def parse_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return what a non-2xx answer means. The text of 401 and 403 is not quoted: it may show parts of the key."""
    name = headers.get("x-amzn-errortype", "").partition(":")[0]
    message = (_message(body) or f"the vendor answered {status} without a message")[:MAX_MESSAGE_CHARS]
    wait_s = retry_after_s(headers)
    if 300 <= status < 400:
        return UpstreamError(f"the vendor answered {status}, a redirect, which is not followed; correct base_url")
    if status in (401, 403) or name in _CREDENTIALS:
        return UpstreamRefusedUs(f"the vendor answered {status} {name}: it does not accept the gateway's credentials")
    if status == 429 or name in _LIMITED:  # a service's quota comes with 400
        return UpstreamRateLimited(message, retry_after_s=wait_s)
    if status == 404 or _NO_MODEL in message:
        return UpstreamNotFound(message)
    if status == 408:
        return UpstreamTimeout(message)
    if status == 424:
        return UpstreamError(message)  # the model failed, which another target may not
    if status >= 500:
        return UpstreamUnavailable(message, retry_after_s=wait_s)
    return _rejected(message)


def stream_error(name: str, message: str) -> GatewayError:
    """Return what an exception in a stream means; its name begins small there."""
    said = (message or f"the vendor broke off with {name or 'an error'}")[:MAX_MESSAGE_CHARS]
    match name:
        case "throttlingException":
            return UpstreamRateLimited(said)
        case "validationException":
            return _rejected(said)
        case _:
            return UpstreamUnavailable(said)


def _rejected(message: str) -> GatewayError:
    words = message.lower()
    if any(each in words for each in _TOO_LONG_WORDS):
        return ContextExceeded(message, param="messages")
    if _UNWANTED_WORDS in words:
        return ContentRefused(message)
    return UpstreamRejected(message)


def _message(body: bytes) -> str:
    try:
        value = json.loads(body)
    except ValueError:
        return ""  # a page of HTML and the like
    if not isinstance(value, dict):
        return ""
    return str(value.get("message") or value.get("Message") or "")

"""Everything that can go wrong with a call, as one tree. A dialect renders it; nobody else turns an error into text.

`code` is a stable word for machines; the message is for people: lower case, names the thing and the remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Blame = Literal["client", "gateway", "upstream"]


class GatewayError(Exception):
    """A call failed. Subclasses say how; instances say what exactly."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    blame: ClassVar[Blame] = "gateway"
    can_fail_over: ClassVar[bool] = False  # another target might do better

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = _writable(message)
        self.param = _writable(param) if param is not None else None
        self.retry_after_s = retry_after_s


def _writable(text: str) -> str:
    """Names that clients sent in bytes that are no UTF-8 are read as surrogates, which no dialect can write."""
    return text.encode(errors="replace").decode()


# ---------------------------------------------------------------- the client's


class ClientError(GatewayError):
    """The request cannot be served as it stands, by anybody."""

    status = 400
    code = "invalid_request"
    blame = "client"


class InvalidRequest(ClientError):
    """A field is missing, of the wrong type or out of range; `param` names it."""


class Unauthenticated(ClientError):
    status = 401
    code = "invalid_api_key"


class PermissionDenied(ClientError):
    status = 403
    code = "permission_denied"


class NotFound(ClientError):
    status = 404
    code = "not_found"


class UnknownModel(NotFound):
    code = "model_not_found"


class MethodNotAllowed(ClientError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allow: Sequence[str]) -> None:
        super().__init__(message)
        self.allow = tuple(allow)


class SlowRequest(ClientError):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"


class TooLarge(ClientError):
    status = 413
    code = "request_too_large"


class RateLimited(ClientError):
    status = 429
    code = "rate_limit_exceeded"


class BudgetExceeded(ClientError):
    status = 402
    code = "budget_exceeded"


class LoopDetected(ClientError):
    """The gateway was asked to call itself."""

    status = 508
    code = "loop_detected"


# ---------------------------------------------------------------- the vendor's


class UpstreamError(GatewayError):
    """A provider did not do its part."""

    status = 502
    code = "upstream_error"
    blame: ClassVar[Blame] = "upstream"
    can_fail_over = True


class UpstreamUnreachable(UpstreamError):
    """No connection: nothing was sent."""

    code = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamCut(UpstreamError):
    """The answer ended before its end."""

    code = "upstream_cut"


class UpstreamMalformed(UpstreamError):
    """The answer is not what the vendor's own format says."""

    code = "upstream_malformed"


class UpstreamUnavailable(UpstreamError):
    """The vendor says it cannot just now (5xx, overloaded)."""

    status = 503
    code = "upstream_unavailable"


class UpstreamRateLimited(UpstreamError):
    """The vendor's own limit; `retry_after_s` where it said."""

    status = 429
    code = "upstream_rate_limited"


class UpstreamRefusedUs(UpstreamError):
    """The vendor does not accept the operator's credentials or account: the client cannot mend that."""

    code = "upstream_refused_credentials"


class UpstreamRejected(UpstreamError):
    """The vendor finds fault with the request itself: the client's to mend, so nobody else is asked."""

    status = 400
    code = "invalid_request"
    blame = "client"
    can_fail_over = False


class UnsupportedByTarget(UpstreamError):
    """No target can do what was asked (format, voice, size); the message says which can."""

    status = 400
    code = "unsupported"
    blame = "client"


class UpstreamNotFound(UpstreamError):
    """The vendor does not know the model: the operator's configuration says it does."""

    status = 404
    code = "upstream_not_found"


# ---------------------------------------------------------------- the operator's


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with the configuration; `line` and `column` count from 1, 0 where there is no place."""

    file: str
    line: int
    column: int
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class ConfigError(GatewayError):
    """The configuration is refused, for all of `problems`."""

    code = "config_error"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))

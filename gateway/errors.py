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
    can_retry: ClassVar[bool] = False  # the same target might, a little later
    may_have_run: ClassVar[bool] = False  # the vendor may have done what was asked, and may charge for it

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


class UnknownAccessKey(ClientError):
    """A signed request names an access key that nobody has here."""

    status = 403
    code = "unknown_access_key"


class InvalidSignature(ClientError):
    """A signature is broken, or is not that of this very request."""

    status = 403
    code = "invalid_signature"


class SignatureExpired(ClientError):
    """A request was signed too long ago, or by a clock that is ahead."""

    status = 403
    code = "signature_expired"


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


class LimitsAway(GatewayError):
    """The counters of limits cannot be reached, and a limit is closed then."""

    status = 503
    code = "limits_unavailable"


class LedgerFull(GatewayError):
    """The ledger cannot be written, and too many rows wait for it."""

    status = 503
    code = "ledger_unavailable"


class StoreUnavailable(GatewayError):
    """The keys or the ledger cannot be read or changed just now."""

    status = 503
    code = "store_unavailable"


class IssuerAway(GatewayError):
    """The keys by which tokens are verified were never to be had."""

    status = 503
    code = "issuer_unavailable"


class Overloaded(GatewayError):
    """The gateway runs as many calls as it may, and this one cannot wait; `retry_after_s` says when there is room."""

    status = 503
    code = "overloaded"


class DeadlineExceeded(GatewayError):
    """The time is over that the route or the client gives a request, and it was no vendor's alone."""

    status = 504
    code = "deadline_exceeded"


class UpgradeRequired(ClientError):
    """The endpoint is a WebSocket, and the request does not ask for one."""

    status = 426
    code = "upgrade_required"


class WrongFrame(ClientError):
    """A message of the kind, text or binary, that is not taken here."""

    code = "wrong_frame"


class SessionOver(ClientError):
    """A live session was silent for too long, or lasted too long."""

    status = 408
    code = "session_over"


class GoingAway(GatewayError):
    """The gateway stops, and ends what has not ended by itself."""

    status = 503
    code = "going_away"


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
    can_retry = True


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"
    can_retry = True
    may_have_run = True


class UpstreamCut(UpstreamError):
    """The answer ended before its end."""

    code = "upstream_cut"
    can_retry = True
    may_have_run = True


class UpstreamMalformed(UpstreamError):
    """The answer is not what the vendor's own format says."""

    code = "upstream_malformed"
    can_retry = True
    may_have_run = True


class UpstreamUnavailable(UpstreamError):
    """The vendor says it cannot just now (5xx, overloaded)."""

    status = 503
    code = "upstream_unavailable"
    can_retry = True
    may_have_run = True  # a 500 may come at any point of the work


class UpstreamLoop(UpstreamUnavailable):
    """What was sent came back to a gateway that had passed it on (508), and would again."""

    can_retry = False


class UpstreamRateLimited(UpstreamError):
    """The vendor's own limit; `retry_after_s` where it said."""

    status = 429
    code = "upstream_rate_limited"
    can_retry = True


class TargetLimited(UpstreamError):
    """A limit of the operator's for this provider; nothing was sent."""

    status = 429
    code = "rate_limit_exceeded"


class TargetBusy(TargetLimited):
    """As many calls run at this provider as may at once, and this one cannot wait; nothing was sent."""

    status = 503
    code = "provider_busy"


class UpstreamRefusedUs(UpstreamError):
    """The vendor does not accept the operator's credentials or account: the client cannot mend that."""

    code = "upstream_refused_credentials"


class UpstreamRejected(UpstreamError):
    """The vendor finds fault with the request itself: the client's to mend, so nobody else is asked."""

    status = 400
    code = "invalid_request"
    blame = "client"
    can_fail_over = False


class ContextExceeded(UpstreamRejected):
    """The input is longer than the model can hold; another may hold it."""

    code = "context_length_exceeded"
    can_fail_over = True


class ContentRefused(UpstreamRejected):
    """The vendor will not answer this, for what it says. Another is asked only where the operator names it."""

    code = "content_policy_violation"


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

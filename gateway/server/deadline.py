"""When a request has to be over: the route's deadline, and the time for which its client will wait.

A client says that by `x-gateway-timeout-ms`. Others say it by headers of their own: `x-request-timeout`,
`x-server-timeout` (Google's clients) and `grpc-timeout` are for the whole answer, `x-stainless-timeout` and
`x-stainless-read-timeout` (OpenAI's and Anthropic's clients) for its beginning.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

from aiohttp import web

from gateway.errors import DeadlineExceeded, InvalidRequest
from gateway.server.writer import StreamBroken, Writer

HEADER = "x-gateway-timeout-ms"
MAX_MS = 86_400_000
GRACE_S = 0.02  # what waits for a vendor ends by itself at the deadline, and knows better what was late
_WHOLE_S = ("x-request-timeout", "x-server-timeout")
_BEGINNING_S = ("x-stainless-timeout", "x-stainless-read-timeout")
_HEADERS = frozenset({HEADER, *_WHOLE_S, "grpc-timeout", *_BEGINNING_S})
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s)?", re.ASCII)
_GRPC = re.compile(r"(\d{1,8})([HMSmun])", re.ASCII)  # gRPC over HTTP2, `Timeout`
_GRPC_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


@dataclass(slots=True)
class Deadline:
    """Both monotonic, in seconds; infinite where nobody says."""

    whole_s: float
    beginning_s: float
    limit: asyncio.Timeout | None = None  # what ends a request whose time is over

    @property
    def is_none(self) -> bool:
        """Whether the request may take as long as it likes."""
        return self.whole_s == self.beginning_s == math.inf

    def of(self, *, stream: bool) -> float:
        """Return when the answer has to be over; one that is not streamed is over as soon as it begins."""
        return self.whole_s if stream else min(self.whole_s, self.beginning_s)

    def due(self, is_streamed: bool) -> tuple[float, float]:
        """Return when the answer has to be over, and to have begun."""
        return self.of(stream=is_streamed), self.beginning_s

    def decoded(self, *, stream: bool) -> None:
        """Hold the request to its deadline, from when it is known whether it is streamed."""
        at_s = self.of(stream=stream)
        if self.limit is not None and at_s < math.inf:
            self.limit.reschedule(at_s + GRACE_S)


def deadline_of(headers: Mapping[str, str], total_s: float | None, started_s: float) -> Deadline:
    """Return the deadline of a request that began at `started_s`. Raises InvalidRequest for a timeout that is none."""
    whole_s = math.inf if total_s is None else total_s
    if headers.keys().isdisjoint(_HEADERS):
        return Deadline(started_s + whole_s, math.inf)
    own = headers.get(HEADER)
    if own is not None:
        whole_s = min(whole_s, _own_s(own))
    for name in _WHOLE_S:
        if name in headers:
            whole_s = min(whole_s, _seconds(headers[name]))
    if "grpc-timeout" in headers and (match := _GRPC.fullmatch(headers["grpc-timeout"])) is not None:
        whole_s = min(whole_s, int(match.group(1)) * _GRPC_S[match.group(2)] or math.inf)
    beginning_s = min((_seconds(headers[name]) for name in _BEGINNING_S if name in headers), default=math.inf)
    return Deadline(started_s + whole_s, started_s + beginning_s)


async def kept(deadline: Deadline, serving: Awaitable[web.StreamResponse], writer: Writer) -> web.StreamResponse:
    """Return what is served, or end it after the deadline. Raises DeadlineExceeded, or StreamBroken after the head."""
    limit = deadline.limit = asyncio.timeout_at(deadline.whole_s + GRACE_S if deadline.whole_s < math.inf else None)
    try:
        async with limit:
            return await serving
    except TimeoutError as error:
        if not limit.expired():
            raise
        late = DeadlineExceeded("the deadline passed before the answer was complete")
        if writer.begun is None:
            raise late from error
        await writer.expire(late)
        raise StreamBroken(late, writer.begun) from error


def _own_s(text: str) -> float:
    try:
        milliseconds = float(text)
    except ValueError:
        milliseconds = math.nan
    if not 0 < milliseconds <= MAX_MS:
        raise InvalidRequest(
            f"the header {HEADER} is {text[:40]!r}; it takes milliseconds, more than 0 and at most {MAX_MS}",
            param=HEADER,
        )
    return milliseconds / 1000


def _seconds(text: str) -> float:
    """Return a vendor's client's seconds; what cannot be read was not said."""
    match = _SECONDS.fullmatch(text.strip())
    if match is None:
        return math.inf
    seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
    return seconds or math.inf

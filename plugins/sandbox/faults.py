"""The failures a sandbox model can play, so that failover and deadlines can be tried without a broken vendor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from .options import Options
from .pace import Step

GARBAGE = b'{"text": \x00 oops\n'


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is only a status and a message."""

    status: int
    code: str
    message: str
    retry_after_s: int | None = None


def failure(options: Options) -> Failure | None:
    """Return the error that these options answer with at once, if any."""
    if options.fault == "rate_limited":
        message = "the sandbox plays a rate limit; this model has `fault: rate_limited`"
        return Failure(429, "rate_limited", message, options.retry_after_s)
    if options.fault == "server_error":
        message = "the sandbox plays a broken server; this model has `fault: server_error`"
        return Failure(options.status, "server_error", message, options.retry_after_s)
    return None


def spoil(steps: Iterator[Step], options: Options) -> Iterator[Step]:
    """Return the steps as the fault of these options leaves them."""
    if options.fault == "slow_first":
        return (replace(step, at_s=step.at_s + options.delay_s) for step in steps)
    if options.fault in ("stall", "cut", "malformed"):
        return _broken_off(steps, options)
    return steps


def _broken_off(steps: Iterator[Step], options: Options) -> Iterator[Step]:
    """Some content, never the end: a short answer breaks off before its end line too."""
    at_s = 0.0
    for step in islice(takewhile(lambda step: step.is_content, steps), options.after_events):
        at_s = step.at_s
        yield step
    if options.fault == "stall":
        yield Step(math.inf, b"")
    if options.fault == "malformed":
        yield Step(at_s, GARBAGE)

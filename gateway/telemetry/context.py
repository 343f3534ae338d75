"""W3C Trace Context: reading `traceparent` and `tracestate`, and writing them for whoever is asked next.

https://www.w3.org/TR/trace-context/ (Level 1, November 2021; Level 2 adds a flag that is passed over here).
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from gateway.types import Trace

MAX_STATE_CHARS = 512  # what everybody has to pass on, by the standard; longer is dropped whole

_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e]+")
_SAMPLED = 0x01


def read(headers: Mapping[str, str]) -> Trace | None:
    """Return the caller's place in a trace, None where there is none or it is malformed.

    `headers` is looked up by lower-case names. The result has no span of the gateway's own.
    """
    given = headers.get("traceparent")
    if given is None:
        return None
    found = _TRACEPARENT.fullmatch(given.strip())
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if trace_id == "0" * 32 or parent_id == "0" * 16 or (version == "00" and more):
        return None
    state = headers.get("tracestate", "").strip()
    is_state = len(state) <= MAX_STATE_CHARS and _STATE.fullmatch(state) is not None
    return Trace(trace_id, parent_id, "", bool(int(flags, 16) & _SAMPLED), state if is_state else "")


def headers_for(trace: Trace, span_id: str) -> dict[str, str]:
    """Return the headers that tell the next program its place: below `span_id`, else where the caller's is."""
    flags = "01" if trace.is_sampled else "00"
    told = {"traceparent": f"00-{trace.trace_id}-{span_id or trace.parent_id}-{flags}"}
    if trace.state:
        told["tracestate"] = trace.state
    return told


def new_trace_id() -> str:
    """Return 32 hex digits, never all zero."""
    return f"{random.getrandbits(128) or 1:032x}"


def new_span_id() -> str:
    """Return 16 hex digits, never all zero."""
    return f"{random.getrandbits(64) or 1:016x}"


def is_within(trace_id: str, share: float) -> bool:
    """Say whether a new trace is sampled: by the end of its id, so that every program that asks decides alike."""
    return int(trace_id[16:], 16) < share * 2**64

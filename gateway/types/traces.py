"""Where a call stands in a trace that goes through several programs (W3C Trace Context)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Trace:
    """The place of one call. Without a span of the gateway's own (`span_id` is "") it is the caller's, passed on."""

    trace_id: str  # 32 hex digits
    parent_id: str = ""  # 16 hex digits: the caller's span; "": the trace begins here
    span_id: str = ""  # 16 hex digits: the gateway's span of this call
    is_sampled: bool = False
    state: str = ""  # `tracestate`, as it came
    is_forwarded: bool = True  # vendors are told

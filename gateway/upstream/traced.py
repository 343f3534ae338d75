"""Telling a vendor its place in a trace, in headers that are added when a request is otherwise complete."""

from __future__ import annotations

from dataclasses import replace

from gateway.telemetry.context import headers_for, new_span_id
from gateway.types import Call, UpstreamRequest


def traced(request: UpstreamRequest, call: Call) -> UpstreamRequest:
    """Return the request with `traceparent` below the span of this attempt, which begins to have an id by it.

    Without a trace the request is returned as it is. Where the gateway makes no spans the caller's own place is told.
    """
    trace, attempt = call.receipt.trace, call.attempt
    is_remote = call.target is not None and call.target.provider.plugin.backend is None
    if trace is None or not trace.is_forwarded or not is_remote:
        return request
    if trace.span_id and attempt is not None and not attempt.span_id:
        attempt.span_id = new_span_id()
    span_id = attempt.span_id if attempt is not None else trace.span_id
    return replace(request, headers={**request.headers, **headers_for(trace, span_id)})

"""Spans to an OpenTelemetry collector, by OTLP over HTTP. The only file that imports OpenTelemetry: the extra `otel`.

Spans are made whole from the receipt instead of being opened and closed around the work: that is a tenth of the cost,
and nothing of the way of a request depends on it. A thread of the SDK's sends them in batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Thread
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from gateway import __version__
from gateway.config.model import Traces
from gateway.types import Trace

TIMEOUT_S = 5.0  # for one batch, its repetitions included
CLOSE_S = 5.0  # what a stop waits for
QUEUE_SPANS = 4096  # what waits for a collector that is slow; beyond that spans are dropped, and the SDK says so
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_FINE = Status(StatusCode.UNSET)


class OtlpExporter:
    """Sends to `config.endpoint` below `/v1/traces`, or where that is what it ends with, to itself."""

    def __init__(self, config: Traces) -> None:
        endpoint = config.endpoint.rstrip("/")
        if not endpoint.endswith("/v1/traces"):
            endpoint += "/v1/traces"
        exporter = OTLPSpanExporter(endpoint=endpoint, headers=dict(config.headers), timeout=TIMEOUT_S)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS)
        self._resource = Resource.create({"service.name": config.service, "service.version": __version__})
        self._scope = InstrumentationScope("ai-service-gateway", __version__)

    def span(
        self,
        name: str,
        trace: Trace,
        ids: tuple[str, str],
        times_ns: tuple[int, int],
        attributes: Mapping[str, Any],
        *,
        is_server: bool,
        error: str,
    ) -> None:
        trace_id, (own, parent) = int(trace.trace_id, 16), ids
        state = TraceState.from_header([trace.state]) if trace.state else None
        self._processor.on_end(
            ReadableSpan(
                name,
                SpanContext(trace_id, int(own, 16), is_remote=False, trace_flags=_SAMPLED, trace_state=state),
                SpanContext(trace_id, int(parent, 16), is_remote=is_server) if parent else None,
                self._resource,
                {**attributes, "error.type": error} if error else attributes,
                kind=SpanKind.SERVER if is_server else SpanKind.CLIENT,
                status=Status(StatusCode.ERROR, error) if error else _FINE,
                start_time=times_ns[0],
                end_time=times_ns[1],
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what is left. Of a collector that does not answer nobody waits for longer than CLOSE_S."""
        closing = Thread(target=self._processor.shutdown, name="close otlp", daemon=True)  # itself it would wait 30 s
        closing.start()
        closing.join(CLOSE_S)

"""A collector: takes OTLP over HTTP as a real one does, and decodes what it is sent by OpenTelemetry's own schema."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Received:
    """One span, with what is around it."""

    span: Span
    service: str

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def attributes(self) -> dict[str, Any]:
        return {
            item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value")
            for item in self.span.attributes
        }

    @property
    def ids(self) -> tuple[str, str, str]:
        """The trace's, its own and its parent's."""
        return self.span.trace_id.hex(), self.span.span_id.hex(), self.span.parent_span_id.hex()

    @property
    def seconds(self) -> float:
        return (self.span.end_time_unix_nano - self.span.start_time_unix_nano) / 1e9


@dataclass
class Collector:
    url: str = ""
    spans: list[Received] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def of_kind(self, kind: int) -> list[Received]:
        return [received for received in self.spans if received.span.kind == kind]

    @property
    def calls(self) -> list[Received]:
        return self.of_kind(Span.SPAN_KIND_SERVER)

    @property
    def attempts(self) -> list[Received]:
        return self.of_kind(Span.SPAN_KIND_CLIENT)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.content_type != "application/x-protobuf":
            return web.Response(status=415)
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [Received(span, named["service.name"]) for span in scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector in the test's loop."""
    collector = Collector()
    app = web.Application(handler_args={"auto_decompress": False})
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()

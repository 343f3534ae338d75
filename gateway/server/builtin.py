"""The endpoints that are always there: what this is, whether it is well, and its metrics. No key, no quota."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client.exposition import choose_encoder

from gateway import __version__
from gateway.admin.openapi import document
from gateway.admin.page import content_policy, page
from gateway.errors import NotFound
from gateway.server.health import JSON, Answer, detailed, health, live, now, ready
from gateway.services import Services
from gateway.snapshot import Snapshot
from gateway.telemetry.merge import Merged
from gateway.types import Head

Builtin = Callable[[Head, Snapshot, Services, bool], Awaitable[Answer]]


async def about(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    return (
        200,
        JSON,
        {
            "service": "ai-service-gateway",
            "version": __version__,
            "status": "stopping" if is_draining else "ok",
            "time": now(),
            "config": snapshot.generation,
            "endpoints": sorted({route.name for route in snapshot.config.routes}),
            "documentation": "GET /docs shows every endpoint; GET /v1/models lists the models",
        },
    )


async def metrics(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    """Prometheus' text. Rendered in a thread: 1,000 series take 13 ms."""
    if not snapshot.config.server.metrics:
        raise NotFound("metrics are off (server.metrics in routes.yaml)")
    encode, content_type = choose_encoder(head.headers.get("accept", ""))
    if services.gather is None:
        services.metrics.states.look()
        return 200, content_type, await asyncio.to_thread(encode, services.metrics.registry)
    dumps = await services.gather()
    return 200, content_type, await asyncio.to_thread(lambda: encode(Merged(dumps)))


async def openapi(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    return 200, JSON, document(snapshot.config.routes)


async def docs(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    return 200, "text/html; charset=utf-8", page(document(snapshot.config.routes))


BUILTINS: Mapping[str, Builtin] = {
    "/": about,
    "/health": health,
    "/health/": health,
    "/health/detailed": detailed,
    "/health/live": live,
    "/health/ready": ready,
    "/metrics": metrics,
    "/openapi.json": openapi,
    "/docs": docs,
}

HEADERS: Mapping[str, Callable[[], Mapping[str, str]]] = {
    "/docs": lambda: {"content-security-policy": content_policy(), "x-content-type-options": "nosniff"}
}

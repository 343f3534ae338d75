"""The endpoints that are always there: what this is, whether it is well, and its metrics. No key, no quota."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client.exposition import choose_encoder

from gateway import __version__
from gateway.errors import NotFound
from gateway.services import Services
from gateway.snapshot import Snapshot
from gateway.types import Head

Answer = tuple[int, str, bytes | dict[str, object]]  # status, content type, body
Builtin = Callable[[Head, Snapshot, Services, bool], Awaitable[Answer]]

JSON = "application/json"


async def about(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    return (
        200,
        JSON,
        {
            "service": "ai-service-gateway",
            "version": __version__,
            "status": "stopping" if is_draining else "ok",
            "time": _now(),
            "config": snapshot.generation,
            "endpoints": sorted({route.name for route in snapshot.config.routes}),
            "documentation": "docs/ and README.md of the project; GET /v1/models lists the models",
        },
    )


async def live(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    return 200, JSON, {"status": "ok"}


async def ready(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    return (503, JSON, {"status": "stopping"}) if is_draining else (200, JSON, {"status": "ok"})


async def health(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    """The whole and each provider: on, or why it is off. What is on has credentials; nothing is called to find out."""
    providers = {
        name: {"status": "on"} if provider.off_reason is None else {"status": "off", "reason": provider.off_reason}
        for name, provider in snapshot.config.providers.items()
    }
    operations = {
        operation: sorted(
            {
                target.provider.name
                for alias in snapshot.config.models
                if alias.operation == operation
                for target in alias.targets
            }
        )
        for operation in ("chat", "embeddings", "speech", "transcription")
    }
    return (
        503 if is_draining else 200,
        JSON,
        {
            "status": "stopping" if is_draining else "ok",
            "time": _now(),
            "uptime_s": round(time.time() - services.started_at, 1),
            "config": snapshot.generation,
            "operations": operations,
            "providers": providers,
        },
    )


async def metrics(head: Head, snapshot: Snapshot, services: Services, is_draining: bool) -> Answer:
    """Prometheus' text. Rendered in a thread: 1,000 series take 13 ms."""
    if not snapshot.config.server.metrics:
        raise NotFound("metrics are off (server.metrics in routes.yaml)")
    encode, content_type = choose_encoder(head.headers.get("accept", ""))
    return 200, content_type, await asyncio.to_thread(encode, services.metrics.registry)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


BUILTINS: Mapping[str, Builtin] = {
    "/": about,
    "/health": health,
    "/health/": health,
    "/health/live": live,
    "/health/ready": ready,
    "/metrics": metrics,
}

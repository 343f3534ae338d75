"""CORS by aiohttp-cors, whose router adapter reads the policy from the snapshot that serves the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp_cors import CorsConfig, ResourceOptions
from aiohttp_cors.abc import AbstractRouterAdapter

from gateway.snapshot import Snapshot

SNAPSHOT: web.RequestKey[Snapshot] = web.RequestKey("snapshot", Snapshot)
_EXPOSED = "*"  # every header that was set: a page may read which provider answered it

Preflight = Callable[[web.Request], Awaitable[web.StreamResponse]]


def set_up(app: web.Application) -> Preflight:
    """Give `app` its CORS headers and return the handler of preflight requests."""
    adapter = _SnapshotAdapter()
    CorsConfig(app, router_adapter=adapter).add(app)
    app.on_response_prepare.append(_vary)
    assert adapter.preflight is not None
    return adapter.preflight


def is_preflight(request: web.BaseRequest) -> bool:
    headers = request.headers
    return request.method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


async def _vary(request: web.Request, response: web.StreamResponse) -> None:
    """Keep shared caches from giving one page's answer to another: aiohttp-cors leaves that out."""
    snapshot = _snapshot(request)
    if snapshot is not None and snapshot.config.server.cors.origins:
        told = response.headers.get("vary", "")
        if "origin" not in told:
            response.headers["vary"] = f"{told}, origin" if told else "origin"


class _SnapshotAdapter(AbstractRouterAdapter):
    """All routes have one policy, so the routing entity that aiohttp-cors asks about is the whole application."""

    def __init__(self) -> None:
        self.preflight: Preflight | None = None

    def add_preflight_handler(self, routing_entity: Any, handler: Preflight, webview: bool = False) -> None:
        self.preflight = handler

    def set_config_for_routing_entity(self, routing_entity: Any, config: Any) -> None:
        """The policy is in the snapshot."""

    def is_preflight_request(self, request: web.Request) -> bool:
        return is_preflight(request)

    def is_cors_enabled_on_request(self, request: web.Request) -> bool:
        snapshot = _snapshot(request)
        return "origin" in request.headers and snapshot is not None and bool(snapshot.config.server.cors.origins)

    async def get_preflight_request_config(
        self, preflight_request: web.Request, origin: str, requested_method: str
    ) -> Mapping[str, ResourceOptions]:
        snapshot = _snapshot(preflight_request)
        path = preflight_request.raw_path.partition("?")[0]
        if snapshot is None or requested_method not in snapshot.endpoints.methods(path):
            raise KeyError(requested_method)
        return _policy(preflight_request)

    def get_non_preflight_request_config(self, request: web.Request) -> Mapping[str, ResourceOptions]:
        return _policy(request)


def _snapshot(request: web.Request) -> Snapshot | None:
    return request.get(SNAPSHOT)


def _policy(request: web.Request) -> Mapping[str, ResourceOptions]:
    snapshot = _snapshot(request)
    if snapshot is None:
        return {}
    cors = snapshot.config.server.cors
    options = ResourceOptions(
        allow_credentials=cors.allow_credentials, expose_headers=_EXPOSED, allow_headers="*", max_age=cors.max_age_s
    )
    return dict.fromkeys(cors.origins, options)

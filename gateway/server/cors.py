"""CORS by aiohttp-cors, whose router adapter reads the policy from the snapshot that serves the request.

aiohttp-cors hooks into an application; ours answers nothing and has no other use.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from aiohttp_cors import CorsConfig, ResourceOptions
from aiohttp_cors.abc import AbstractRouterAdapter

from gateway.server.told import NO_HEADERS, Told
from gateway.snapshot import Snapshot

_EXPOSED = "*"  # every header that was set: a page may read which provider answered it

Preflight = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Cors:
    """Answers preflight requests, and gives all other answers their headers."""

    def __init__(self) -> None:
        app, adapter = web.Application(), _SnapshotAdapter()
        CorsConfig(app, router_adapter=adapter).add(app)
        assert adapter.preflight is not None
        self.preflight = adapter.preflight
        self._mark = tuple(app.on_response_prepare)

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that tell a browser whether the page may read this, once all others are there."""
        for mark in self._mark:
            await mark(request, response)
        _vary(response)


class Asked(web.Request):
    """A request, from when it is known with the snapshot that serves it."""

    snapshot: Snapshot | None = None
    cors: Cors | None = None  # where pages may read the answer

    def forget(self) -> None:
        """Let go of the headers, for an answer that takes long; its own head has to be sent."""
        message: object = self._message
        if isinstance(message, Told):
            message.forget()
        self._headers = NO_HEADERS
        self._cache.clear()  # properties that were asked for, the headers among them

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """Where aiohttp would tell an application that a head is about to be written."""
        if self.cors is not None:
            await self.cors.mark(self, response)


def is_preflight(request: web.BaseRequest) -> bool:
    headers = request.headers
    return request.method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def _vary(response: web.StreamResponse) -> None:
    """Keep shared caches from giving one page's answer to another: aiohttp-cors leaves that out."""
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
    return request.snapshot if isinstance(request, Asked) else None


def _policy(request: web.Request) -> Mapping[str, ResourceOptions]:
    snapshot = _snapshot(request)
    if snapshot is None:
        return {}
    cors = snapshot.config.server.cors
    options = ResourceOptions(
        allow_credentials=cors.allow_credentials, expose_headers=_EXPOSED, allow_headers="*", max_age=cors.max_age_s
    )
    return dict.fromkeys(cors.origins, options)

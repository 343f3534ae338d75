"""The admin API from a request's head to its answer. A key is checked before anything of the request is looked at."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway import json
from gateway.admin.access import authenticate, check_role
from gateway.admin.ask import Answer, Ask
from gateway.admin.process import Process
from gateway.admin.routes import ROUTES, AdminRoute
from gateway.admin.schemas import COMPONENTS
from gateway.config.model import Keys
from gateway.errors import InvalidRequest, StoreUnavailable
from gateway.middlewares.auth import check_route, declared
from gateway.routes import RouteTable
from gateway.services import Services
from gateway.shape import Shape, compile_shape
from gateway.snapshot import Snapshot
from gateway.stores.ledger import LedgerAway
from gateway.types import Client, Head

LOGGER = logging.getLogger("gateway")

MAX_BODY_BYTES = 65_536  # a key with all its scopes takes a few thousand


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request whose key may make it; its body was not read yet."""

    route: AdminRoute
    params: Mapping[str, str]
    client: Client
    snapshot: Snapshot


class Admin:
    def __init__(self, services: Services, clock: Callable[[], float] = time.time) -> None:
        self._services = services
        self._clock = clock
        self.process: Process | None = None
        self._routes = RouteTable[AdminRoute]()
        for route in ROUTES:
            self._routes.add(route.method, route.path, route)
        self._keys: Keys | None = None  # of the snapshot that `_clients` is from
        self._clients: Mapping[bytes, Client] = {}

    def admit(self, head: Head, snapshot: Snapshot) -> Admitted:
        """Raises Unauthenticated; NotFound, MethodNotAllowed or PermissionDenied to a key that is known."""
        if snapshot.config.keys is not self._keys:
            self._clients, self._keys = declared(snapshot.config.keys), snapshot.config.keys
        client = authenticate(head, self._clients, self._services.keys, self._services.issuers, self._clock())
        return self.admit_known(client, head, snapshot)

    def admit_known(self, client: Client, head: Head, snapshot: Snapshot) -> Admitted:
        """Admit a client that was identified. Raises NotFound, MethodNotAllowed or PermissionDenied."""
        route, params = self._routes.find("GET" if head.method == "HEAD" else head.method, head.path)
        check_role(client, route.role)
        check_route(client, route.path)
        return Admitted(route, params, client, snapshot)

    async def answer(self, admitted: Admitted, head: Head, body: bytes) -> Answer:
        """Raises what is wrong with the query, the body, or what they ask for."""
        route = admitted.route
        query = _checked(_query_shape(route.name), _numbers(route, head.query))
        given = _checked(_body_shape(route.body), _loaded(body)) if route.body else {}
        client, snapshot = admitted.client, admitted.snapshot
        ask = Ask(client, admitted.params, query, given, snapshot, self._services, self._clock(), self.process)
        try:
            return await route.handle(ask)
        except LedgerAway as error:
            LOGGER.error("%s", error)
            raise StoreUnavailable(
                "the store cannot be reached just now; the log says why", retry_after_s=1.0
            ) from error


@cache  # made when it is first asked for: a start would wait 50 ms for all of them
def _body_shape(name: str) -> Shape:
    return compile_shape(COMPONENTS[name])


@cache
def _query_shape(route_name: str) -> Shape:
    route = next(route for route in ROUTES if route.name == route_name)
    return compile_shape({"type": "object", "properties": dict(route.query), "additionalProperties": False})


def _numbers(route: AdminRoute, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the query with what has to be a whole number as one."""
    return {
        name: int(text)
        if route.query.get(name, {}).get("type") == "integer" and text.isdecimal() and len(text) < 10
        else text
        for name, text in query.items()
    }


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise InvalidRequest("the body is no JSON; send an object") from error


def _checked(shape: Shape, value: Any) -> Any:
    faults = shape.faults(value)
    if faults:
        raise InvalidRequest("; ".join(str(fault) for fault in faults), param=faults[0].place or None)
    return value

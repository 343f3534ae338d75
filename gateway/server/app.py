"""One request's way through the gateway, from its head to the end of its answer: the boundary where errors stop."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from aiohttp import web

from gateway import json
from gateway.chain import close
from gateway.dialects import Dialect
from gateway.dialects.openai_errors import encode_json_error
from gateway.dialects.pin import read_pin
from gateway.errors import GatewayError, MethodNotAllowed, PermissionDenied, Unauthenticated, UpstreamNotFound
from gateway.server import cors, inputs
from gateway.server.body import BodyReader
from gateway.server.builtin import BUILTINS
from gateway.server.front import read_head
from gateway.server.headers import receipt_headers
from gateway.server.writer import StreamBroken, Writer
from gateway.services import Services
from gateway.snapshot import Endpoint, Snapshot
from gateway.telemetry.logs import LOGGER, log_request
from gateway.types import Call, Head, Inbound, Receipt, Reply

CLIENT_LEFT = 499  # nginx's number, for logs and metrics: there is nobody left to answer
THREAD_BYTES = 262_144  # decoding more takes over a millisecond: not on the loop
Handling = Callable[[web.Request], Awaitable[web.StreamResponse]]
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class Gateway:
    """Serves with whatever `snapshot` holds; a reload replaces it, and requests keep the one they began with."""

    def __init__(self, services: Services, snapshot: Snapshot) -> None:
        self.services = services
        self.snapshot = snapshot
        self.is_draining = False
        self.in_flight = 0
        self._preflight: cors.Preflight | None = None

    def make_app(self) -> web.Application:
        """Return the aiohttp application. Routing is ours: aiohttp's router cannot change after the start."""
        app = web.Application(middlewares=[self._entry])
        app.router.add_route("*", "/{path:.*}", _unreachable, expect_handler=_expect_nothing)
        self._preflight = cors.set_up(app)
        return app

    @web.middleware
    async def _entry(self, request: web.Request, handler: Handling) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        snapshot = self.snapshot
        request[cors.SNAPSHOT] = snapshot
        receipt = Receipt(_request_id(request), loop.time(), snapshot.generation)
        status = CLIENT_LEFT
        self.in_flight += 1
        self.services.metrics.in_flight.inc()
        try:
            response, status = await self._answer(request, snapshot, receipt)
            if self.is_draining:
                response.force_close()
            return response
        finally:
            self.in_flight -= 1
            self.services.metrics.in_flight.dec()
            if receipt.route:
                self.services.metrics.record(receipt, status, loop.time(), snapshot.targets)
            log_request(receipt, status, loop.time())

    async def _answer(
        self, request: web.Request, snapshot: Snapshot, receipt: Receipt
    ) -> tuple[web.StreamResponse, int]:
        """Return the answer and the status to record. Every error ends here, in the client's dialect."""
        server = snapshot.config.server
        writer = Writer(request, receipt, gzip_min_bytes=server.gzip_min_bytes, timeout_s=server.write_timeout_s)
        dialect: Dialect | None = None
        try:
            head = read_head(request, receipt.id, self.services.instance)
            if cors.is_preflight(request):
                return await self._preflighted(request, receipt), 200
            if head.path in BUILTINS:
                response = await self._builtin(head, snapshot, writer)
                return response, response.status
            try:
                endpoint, params = snapshot.endpoints.find("GET" if head.method == "HEAD" else head.method, head.path)
            except GatewayError:  # told as the routes beside it would
                near = snapshot.endpoints.nearest(head.path)
                dialect = near.dialect if near is not None else None
                raise
            dialect = endpoint.dialect
            receipt.route, receipt.dialect, receipt.operation = endpoint.route.name, dialect.name, dialect.operation
            served = await self._serve(request, _with_params(head, params), endpoint, snapshot, receipt, writer)
            return served, served.status
        except StreamBroken as broken:
            return broken.response, broken.error.status
        except GatewayError as error:
            return await self._failed(error, dialect, receipt, writer), error.status
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # the boundary: a fault of ours becomes a 500 without a trace, and a trace in the log
            LOGGER.exception("request %s failed inside the gateway", receipt.id)
            fault = GatewayError("the gateway has a fault; its log has the details under this request's id")
            if writer.begun is not None:
                writer.cut()
                return writer.begun, fault.status
            return await self._failed(fault, dialect, receipt, writer), fault.status

    async def _serve(
        self, request: web.Request, head: Head, endpoint: Endpoint, snapshot: Snapshot, receipt: Receipt, writer: Writer
    ) -> web.StreamResponse:
        for admit in endpoint.admits:
            head = admit(head)
        if head.client is not None:
            receipt.client, receipt.tenant = head.client.name, head.client.tenant
        reader = BodyReader(request, endpoint.max_body_bytes, snapshot.config.server.body_timeout_s)
        dialect = endpoint.dialect
        reply: Reply | None = None
        try:
            shape = inputs.shape_of(dialect, endpoint.route.inputs, head)
            inbound = await reader.read(head, as_form=shape == "form", as_upload=shape == "upload")
            inputs.check(inbound, endpoint.route.inputs)
            call = snapshot.resolve(await _decode(dialect, inbound, endpoint, receipt), endpoint.route)
            try:
                reply = await endpoint.handler(call)
            except UpstreamNotFound as error:
                error.message += snapshot.hint(call)
                raise
            rendered = await dialect.encode(call, reply.events)
            return await writer.write(rendered, lambda error: dialect.encode_error(error, receipt.id, started=True))
        finally:
            if reply is not None:
                await close(reply)
            await reader.close()

    async def _builtin(self, head: Head, snapshot: Snapshot, writer: Writer) -> web.Response:
        if head.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{head.path} takes GET, not {head.method}", allow=("GET", "HEAD"))
        status, content_type, body = await BUILTINS[head.path](head, snapshot, self.services, self.is_draining)
        return await writer.whole(status, content_type, body if isinstance(body, bytes) else json.dumps(body))

    async def _preflighted(self, request: web.Request, receipt: Receipt) -> web.StreamResponse:
        assert self._preflight is not None
        try:
            response = await self._preflight(request)
        except web.HTTPForbidden as error:
            raise PermissionDenied(f"{error.text}; see server.cors.origins") from error
        now_s = asyncio.get_running_loop().time()
        response.headers.update(receipt_headers(receipt, now_s) | {"vary": "origin"})
        return response

    async def _failed(
        self, error: GatewayError, dialect: Dialect | None, receipt: Receipt, writer: Writer
    ) -> web.StreamResponse:
        if dialect is None:
            body = encode_json_error(error, receipt.id)
        else:
            body = dialect.encode_error(error, receipt.id, started=False)
        response = await writer.error(error, body)
        if isinstance(error, MethodNotAllowed):
            response.headers["allow"] = ", ".join(error.allow)
        if isinstance(error, Unauthenticated):
            response.headers["www-authenticate"] = "Bearer"  # RFC 9110, 11.6.1: every 401 names a scheme
        return response


async def _decode(dialect: Dialect, inbound: Inbound, endpoint: Endpoint, receipt: Receipt) -> Call:
    has_file = inbound.form is not None or inbound.upload is not None
    if len(inbound.body) > THREAD_BYTES or has_file:
        ask = await asyncio.to_thread(dialect.decode, inbound)
    else:
        ask = dialect.decode(inbound)
    ask, raw = read_pin(ask, inbound)
    total_s = endpoint.route.total_s
    return Call(
        id=receipt.id,
        operation=dialect.operation,
        dialect=dialect.name,
        model=ask.model,
        body=ask.body,
        head=inbound.head,
        receipt=receipt,
        stream=ask.stream,
        deadline_s=receipt.started_s + total_s if total_s is not None else float("inf"),
        raw=None if has_file else raw,
        provider=ask.provider,
        values=ask.values,
    )


def _with_params(head: Head, params: Mapping[str, str]) -> Head:
    return replace(head, params=params) if params else head


def _request_id(request: web.Request) -> str:
    """The client's own id where it is a plain one, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(12)


async def _unreachable(request: web.Request) -> web.StreamResponse:
    raise RuntimeError("the entry middleware answers every request")


async def _expect_nothing(request: web.Request) -> None:
    """`100 Continue` is sent when the body is wanted: after the key was checked, not before."""

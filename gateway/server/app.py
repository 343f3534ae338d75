"""One request's way through the gateway, from its head to the end of its answer: the boundary where errors stop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import partial
from random import getrandbits
from time import time

from aiohttp import web

from gateway import json
from gateway.admin.api import MAX_BODY_BYTES, Admin
from gateway.chain import close
from gateway.decode import decode
from gateway.dialects import Dialect
from gateway.dialects.openai_errors import encode_json_error
from gateway.errors import GatewayError, MethodNotAllowed, PermissionDenied, Unauthenticated, UpstreamNotFound
from gateway.middlewares.ledger import opening
from gateway.server import cors, inputs, ranges
from gateway.server.admission import UNQUEUED, admitted, timed
from gateway.server.body import BodyReader
from gateway.server.builtin import BUILTINS, HEADERS
from gateway.server.cors import Asked
from gateway.server.deadline import Deadline, deadline_of, kept
from gateway.server.front import read_head
from gateway.server.headers import receipt_headers
from gateway.server.health import states
from gateway.server.live import Sessions
from gateway.server.whole import Whole
from gateway.server.writer import StreamBroken, Writer
from gateway.services import Services
from gateway.snapshot import Endpoint, Snapshot
from gateway.stores.ledger import settled
from gateway.stores.slots import Slot
from gateway.telemetry.logs import LOGGER, log_request
from gateway.types import EMPTY, Head, Inbound, Receipt, Reply, replace

CLIENT_LEFT = 499  # nginx's number, for logs and metrics: there is nobody left to answer
UNWRITTEN = frozenset({"hit", "stale", "coalesced"})
ADMIN_PATH = "/admin/"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class Gateway:
    """Serves with whatever `snapshot` holds; a reload replaces it, and requests keep the one they began with."""

    def __init__(self, services: Services, snapshot: Snapshot) -> None:
        self.services = services
        self.snapshot = snapshot
        self.is_draining = False
        self._ends = lambda: self.is_draining  # whether a connection ends with the answer that begins
        self.in_flight = 0
        self.live = Sessions(services.metrics.live)
        self.url = ""  # as it is reached from this machine, once it is served
        self._cors = cors.Cors()
        self.admin = Admin(services)
        services.metrics.in_flight.set_function(lambda: self.in_flight)
        services.metrics.states.tell = lambda: states(self.snapshot.config, services)

    async def serve(self, request: Asked) -> web.StreamResponse:
        """Answer one request, whatever it is; the answer is for aiohttp to send where that has not been done."""
        loop, services, snapshot = asyncio.get_running_loop(), self.services, self.snapshot
        request.snapshot = snapshot
        if snapshot.config.server.cors.origins:
            request.cors = self._cors
        receipt = Receipt(_request_id(request), loop.time(), snapshot.generation)
        receipt.trace = services.tracing.begin(request.headers)
        status = CLIENT_LEFT
        self.in_flight += 1
        try:
            response, status = await self._answer(request, snapshot, receipt)
            if self.is_draining and not response.prepared:  # else its head has said that the connection stays
                response.force_close()
            return response
        finally:
            self.in_flight -= 1
            ended_s = loop.time()
            self._write_down(receipt, status, ended_s)
            if receipt.route:
                services.metrics.record(receipt, status, ended_s, snapshot.targets)
            services.seen.record(receipt, status, ended_s)
            services.tracing.record(receipt, request.method, status, ended_s)
            log_request(receipt, status, ended_s, snapshot.config.telemetry.logs.sample)

    async def _answer(self, request: Asked, snapshot: Snapshot, receipt: Receipt) -> tuple[web.StreamResponse, int]:
        """Return the answer and the status to record. Every error ends here, in the client's dialect."""
        server = snapshot.config.server
        writer = Writer(
            request,
            receipt,
            gzip_min_bytes=server.gzip_min_bytes,
            timeout_s=server.write_timeout_s,
            is_last=self._ends,
        )
        dialect: Dialect | None = None
        try:
            head = read_head(request, receipt.id, self.services.instance)
            if cors.is_preflight(request):
                return await self._preflighted(request, receipt), 200
            if head.path in BUILTINS:
                response = await self._builtin(head, snapshot, writer)
                return response, response.status
            if head.path.startswith(ADMIN_PATH):
                response = await self._administer(request, head, snapshot, receipt, writer)
                return response, response.status
            try:
                endpoint, params = snapshot.endpoints.find("GET" if head.method == "HEAD" else head.method, head.path)
            except GatewayError:  # told as the routes beside it would
                near = snapshot.endpoints.nearest(head.path)
                dialect = near.dialect if near is not None else None
                raise
            dialect = endpoint.dialect
            receipt.route, receipt.dialect, receipt.operation = endpoint.route.name, dialect.name, dialect.operation
            if endpoint.route.live is not None:
                return await self.live.serve(request, _with_params(head, params), endpoint, snapshot, receipt)
            deadline = deadline_of(head.headers, endpoint.route.total_s, receipt.started_s)
            serving = self._serve(
                request, _with_params(head, params), endpoint, snapshot, receipt, writer, deadline=deadline
            )
            del head  # of which as little as may be is kept while an answer is written
            served = await (serving if deadline.is_none else kept(deadline, serving, writer))
            return served, served.status
        except StreamBroken as broken:
            receipt.error = broken.error.code
            return broken.response, broken.error.status
        except GatewayError as error:
            receipt.error = error.code
            refused = await self._failed(error, dialect, receipt, writer)
            return refused, refused.status
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # the boundary: a fault of ours becomes a 500 without a trace, and a trace in the log
            LOGGER.exception("request %s failed inside the gateway", receipt.id)
            fault = GatewayError("the gateway has a fault; its log has the details under this request's id")
            receipt.error = fault.code
            if writer.begun is not None:
                writer.cut()
                return writer.begun, fault.status
            failed = await self._failed(fault, dialect, receipt, writer)
            return failed, failed.status

    def _write_down(self, receipt: Receipt, status: int, ended_s: float) -> None:
        """Settle the request's row; one that the cache or another's call answered had none yet."""
        ledger = self.services.ledger
        if not ledger.is_on:
            return
        entry = receipt.entry or (opening(ledger, receipt, 0) if receipt.cache in UNWRITTEN else None)
        if entry is not None:
            ledger.settle(settled(entry, receipt, status, ended_s))

    async def _serve(
        self,
        request: Asked,
        head: Head,
        endpoint: Endpoint,
        snapshot: Snapshot,
        receipt: Receipt,
        writer: Writer,
        *,
        deadline: Deadline,
    ) -> web.StreamResponse:
        for admit in endpoint.admits:
            head = admit(head)
        if head.check_body is None:  # else it is not sure yet who calls
            _note_client(receipt, head)
        reader = BodyReader(request, endpoint.max_body_bytes, snapshot.config.server.body_timeout_s)
        dialect, slots = endpoint.dialect, self.services.slots.server
        slot: Slot | None = None
        reply: Reply | None = None
        came_s = asyncio.get_running_loop().time()
        try:
            read = partial(_read, reader, endpoint, head)
            if slots.policy is None or dialect.operation in UNQUEUED:
                inbound = await read()
            else:
                slot, inbound = await admitted(slots, receipt, deadline.whole_s, read)
            if head.check_body is not None:
                _note_client(receipt, head)
            receipt.arrived_s = asyncio.get_running_loop().time() - came_s
            call = snapshot.resolve(await decode(dialect, inbound, receipt, deadline.due), endpoint.route)
            deadline.decoded(stream=call.stream)
            handler = endpoint.handler if slot is None else timed(endpoint.handler, slot)
            try:
                reply = await handler(call)
            except UpstreamNotFound as error:
                error.message += snapshot.hint(call)
                raise
            rendered = await dialect.encode(call, reply.events)
            if receipt.etag:
                rendered = await ranges.conditional(rendered, receipt.etag, head.headers)
            del head, read, inbound, call, handler  # what was asked may be long, and the answer may take long
            return await writer.write(rendered, dialect)
        finally:
            try:
                if reply is not None:
                    await close(reply)
                await reader.close()
            finally:
                if slot is not None:
                    slot.release()

    async def _builtin(self, head: Head, snapshot: Snapshot, writer: Writer) -> Whole:
        if head.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{head.path} takes GET, not {head.method}", allow=("GET", "HEAD"))
        status, content_type, body = await BUILTINS[head.path](head, snapshot, self.services, self.is_draining)
        written = body if isinstance(body, bytes) else json.dumps(body)
        return await writer.whole(
            status, content_type, written, HEADERS[head.path]() if head.path in HEADERS else EMPTY
        )

    async def _administer(
        self, request: Asked, head: Head, snapshot: Snapshot, receipt: Receipt, writer: Writer
    ) -> Whole:
        admitted = self.admin.admit(head, snapshot)
        route, client = admitted.route, admitted.client
        receipt.route, receipt.client, receipt.tenant = route.name, client.name, client.tenant
        reader = BodyReader(request, MAX_BODY_BYTES, snapshot.config.server.body_timeout_s)
        body = (await reader.read(head, as_form=False)).body if route.body else b""
        answer = await self.admin.answer(admitted, head, body)
        written = await asyncio.to_thread(json.dumps, answer)  # a thousand keys take a while
        return await writer.whole(route.status, "application/json", written, {"cache-control": "no-store"})

    async def _preflighted(self, request: Asked, receipt: Receipt) -> web.StreamResponse:
        try:
            response = await self._cors.preflight(request)
        except web.HTTPForbidden as error:
            raise PermissionDenied(f"{error.text}; see server.cors.origins") from error
        now_s = asyncio.get_running_loop().time()
        response.headers.update(receipt_headers(receipt, now_s) | {"vary": "origin"})
        return response

    async def _failed(self, error: GatewayError, dialect: Dialect | None, receipt: Receipt, writer: Writer) -> Whole:
        if dialect is None:
            body = encode_json_error(error, receipt.id)
        else:
            body = dialect.encode_error(error, receipt.id, started=False)
        response = await writer.error(error, body)
        error_head = getattr(dialect, "error_head", None)
        if error_head is not None:
            status, headers = error_head(error, receipt.id)
            response.set_status(status)
            response.headers.update(headers)
        if isinstance(error, MethodNotAllowed):
            response.headers["allow"] = ", ".join(error.allow)
        if isinstance(error, Unauthenticated) and response.status == error.status:
            response.headers["www-authenticate"] = "Bearer"  # RFC 9110, 11.6.1: every 401 names a scheme
        return response


async def _read(reader: BodyReader, endpoint: Endpoint, head: Head) -> Inbound:
    inputs_taken = endpoint.route.inputs
    shape = inputs.shape_of(endpoint.dialect, inputs_taken, head)
    inbound = await reader.read(head, as_form=shape == "form", as_upload=shape == "upload")
    inputs.check(endpoint.dialect, inbound, inputs_taken)
    return inbound


def _note_client(receipt: Receipt, head: Head) -> None:
    if head.client is not None:
        receipt.client, receipt.tenant, receipt.tags = head.client.name, head.client.tenant, head.client.tags


def _with_params(head: Head, params: Mapping[str, str]) -> Head:
    return replace(head, params=params) if params else head


def _request_id(request: Asked) -> str:
    """The client's own id where it is a plain one, else a new one, which need be no secret: to ask the system for it
    would let another thread go first. It begins with the time in milliseconds, so that the ledger's index of ids grows
    at its end, where it does not take a page of its own for each row."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else f"{int(time() * 1000):012x}{getrandbits(48):012x}"

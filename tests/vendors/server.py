"""The base of every simulator: listens, records, asks the vendor's rules for an answer, and shows it with its fault.

Inside a test's loop: `async with OpenAIServer() as vendor: ... vendor.base_url`. As a process: see `__main__.py`.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from typing import ClassVar, Self

from aiohttp import web

from tests.vendors.answers import Answer, script
from tests.vendors.control import CONTROL_PREFIX, control
from tests.vendors.delivery import perform
from tests.vendors.faults import Fault, FaultPlan
from tests.vendors.recording import RequestRecord

KEPT_REQUESTS = 10_000  # the oldest are forgotten, so that a soak test does not fill the memory
SHUTDOWN_TIMEOUT_S = 0.05  # a stalled answer is a fault at work, not something to wait for


class VendorServer(ABC):
    """A vendor on 127.0.0.1. Subclasses say how to answer; everything about connections is here."""

    api_prefix: ClassVar[str] = ""  # what the vendor's base URL has after the host

    def __init__(self, *, port: int = 0, event_interval_s: float = 0.0, kept_requests: int = KEPT_REQUESTS) -> None:
        self.requests: deque[RequestRecord] = deque(maxlen=kept_requests)
        self.faults = FaultPlan()
        self.event_interval_s = event_interval_s
        self.port = port
        self.request_count = 0
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self._arrival = asyncio.Event()
        self._outage: asyncio.Task[None] | None = None
        self._busy: set[asyncio.BaseTransport | None] = set()  # the connections an answer is under way on
        self._is_stopping = False

    @abstractmethod
    def answer(self, record: RequestRecord) -> Answer:
        """Return the answer to a request, setting `record.model`, and `record.refusal` when the rules refuse it."""

    @abstractmethod
    def error_answer(self, fault: Fault) -> Answer:
        """Return the vendor's error body with `fault.status`."""

    @abstractmethod
    def error_event(self, fault: Fault) -> bytes:
        """Return the vendor's in-band error, ready to be written into a stream."""

    def malformed_event(self) -> bytes:
        """Return an event that is framed right and cannot be parsed; server-sent JSON unless overridden."""
        return b'data: {"broken": \n\n'

    async def upgrade(self, request: web.BaseRequest, record: RequestRecord) -> web.StreamResponse | None:
        """Answer a WebSocket request; None means it is an ordinary one. For vendors that have any."""
        return None

    @property
    def origin(self) -> str:
        """Return scheme, host and port; the control endpoint is below it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """Return what a client or providers.yaml takes as the vendor's base URL."""
        return self.origin + self.api_prefix

    @property
    def refused(self) -> list[RequestRecord]:
        """Return the requests the vendor's rules refused; a correct gateway leaves it empty."""
        return [record for record in self.requests if record.refusal is not None]

    def reset(self) -> None:
        """Forget requests, faults, and whatever a vendor remembers from request to request."""
        self.requests.clear()
        self.faults.clear()

    async def wait_for_requests(self, count: int, timeout_s: float = 5.0) -> list[RequestRecord]:
        """Return the requests once `count` have arrived; TimeoutError after `timeout_s`."""
        async with asyncio.timeout(timeout_s):
            while len(self.requests) < count:
                await self._arrival.wait()
        return list(self.requests)

    def refuse_connections_soon(self, for_s: float) -> None:
        """Stop listening, and close idle connections, for a while; the port stays the same."""
        self._outage = asyncio.ensure_future(self._refuse_connections(for_s))

    async def stop_listening(self) -> None:
        """Make the port refuse connections, and close those that are idle."""
        if self._site is None or self._runner is None or self._runner.server is None:
            raise RuntimeError("the server does not listen")
        await self._site.stop()
        self._site = None
        for connection in self._runner.server.connections:
            if connection.transport not in self._busy:  # its own close() may leave a connection open and deaf
                connection.force_close()

    async def start_listening(self) -> None:
        """Listen, on the same port as before if there was one."""
        if self._runner is None:
            raise RuntimeError("the server was not started")
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle, handler_cancellation=True, auto_decompress=False, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
        await self._runner.setup()
        await self.start_listening()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_stopping = True
        if self._outage is not None:
            self._outage.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _refuse_connections(self, for_s: float) -> None:
        await asyncio.sleep(0.01)  # lets the control answer that asked for this leave first
        await self.stop_listening()
        await asyncio.sleep(for_s)
        await self.start_listening()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(CONTROL_PREFIX):
            return await control(self, request)
        record = self._record(request)
        transport = request.transport
        self._busy.add(transport)
        try:
            response = await self._serve(request, record)
        except (asyncio.CancelledError, ConnectionError):
            record.end("stopped" if self._is_stopping else "client_closed", time.monotonic())
            raise
        finally:
            self._busy.discard(transport)
        record.end("complete", time.monotonic())
        return response

    async def _serve(self, request: web.BaseRequest, record: RequestRecord) -> web.StreamResponse:
        upgraded = await self.upgrade(request, record)
        if upgraded is not None:
            return upgraded
        if request.headers.get("expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        record.body = await request.content.read()
        record.body_read_at_s = time.monotonic()
        answer = self._answer(record)
        fault = self.faults.take(record.model, record.path) if record.refusal is None else None
        record.fault = fault
        interval_s = self.event_interval_s
        if fault is not None and fault.event_interval_s is not None:
            interval_s = fault.event_interval_s
        return await perform(request, record, script(answer, fault, self), interval_s)

    def _record(self, request: web.BaseRequest) -> RequestRecord:
        self.request_count += 1
        headers = tuple((k.decode("latin-1"), v.decode("utf-8", "surrogateescape")) for k, v in request.raw_headers)
        record = RequestRecord(self.request_count, request.method, request.raw_path, headers, time.monotonic())
        self.requests.append(record)
        arrival, self._arrival = self._arrival, asyncio.Event()
        arrival.set()
        return record

    def _answer(self, record: RequestRecord) -> Answer:
        try:
            return self.answer(record)
        except Exception:  # a bug of the simulator: shown to whoever runs the test, and never taken for a good answer
            record.refusal = f"simulator failed:\n{traceback.format_exc()}"
            return Answer(500, (("content-type", "text/plain"),), (record.refusal.encode(),))

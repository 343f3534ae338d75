"""Live audio: one request that is upgraded, and the session that follows.

Everything that can be refused is refused before the upgrade, as an HTTP answer in the client's dialect: its key, its
limits, and a vendor that does not open a session. Then messages pass both ways until one side has finished, is gone, or
a limit ends it; each side is told by a close frame, and what was used is accounted for once, by the chain's closers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

from aiohttp import web

from gateway import websocket as ws
from gateway.chain import close
from gateway.config.model import LiveLimits
from gateway.decode import decode
from gateway.dialects.live import LiveDialect
from gateway.errors import InvalidRequest, UpgradeRequired, UpstreamNotFound
from gateway.middlewares.auth import header_credential
from gateway.server.headers import receipt_headers
from gateway.server.session import Client, Conversation
from gateway.snapshot import Endpoint, Snapshot
from gateway.telemetry.live import LiveMetrics
from gateway.types import Call, Head, Inbound, Receipt, Reply
from gateway.upstream.socket import Socket, SocketLimits

SWITCHED = 101
LAST_WORDS_S = 8.0  # for both ends of a session to be told that it is over; each waits for a bounded time


class Upgraded(web.StreamResponse):
    """The head of an answer after which the connection is no HTTP any more."""

    _length_check = False  # as aiohttp's own: there is no body, of whatever length

    async def write_eof(self, data: bytes = b"") -> None:
        """The session has ended the connection by itself."""


class Sessions:
    """The live sessions of this process. They outlive a reload, each on the snapshot that it began with."""

    def __init__(self, metrics: LiveMetrics) -> None:
        self._metrics = metrics
        self._open: dict[str, Conversation] = {}  # by the call's id
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._open)

    async def go_away(self, within_s: float) -> None:
        """End all that are open, telling both sides so, and wait until they have gone, or so long."""
        for conversation in list(self._open.values()):
            conversation.go_away()
        self._emptied.clear()
        if self._open:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._emptied.wait()

    async def serve(
        self,
        request: web.BaseRequest,
        head: Head,
        endpoint: Endpoint,
        snapshot: Snapshot,
        receipt: Receipt,
    ) -> tuple[web.StreamResponse, int]:
        """Serve one session to its end. Returns the answer and the status to record: 101, or the error's that ended it.

        Raises what refuses it, as long as nothing was sent.
        """
        _check_handshake(head)
        assert isinstance(endpoint.dialect, LiveDialect)
        head = _with_key(head, endpoint.dialect.subprotocol(_offered(request))[1])
        for admit in endpoint.admits:
            head = admit(head)
        if head.client is not None:
            receipt.client, receipt.tenant, receipt.tags = head.client.name, head.client.tenant, head.client.tags
        call = snapshot.resolve(await decode(endpoint.dialect, Inbound(head, b""), receipt), endpoint.route)
        try:
            reply = await endpoint.handler(call)
        except UpstreamNotFound as error:
            error.message += snapshot.hint(call)
            raise
        session = asyncio.create_task(
            self._begin(request, head, endpoint, snapshot, (call, reply)), name="a live session"
        )
        try:
            return await asyncio.shield(session)
        except asyncio.CancelledError:  # the client's connection is gone, which the session is told as well
            return await self._last_words(session, call.id)

    async def _begin(
        self, request: web.BaseRequest, head: Head, endpoint: Endpoint, snapshot: Snapshot, begun: tuple[Call, Reply]
    ) -> tuple[web.StreamResponse, int]:
        """Upgrade, and run the session. Whatever becomes of it, its reply is closed."""
        call, reply = begun
        dialect, limits, receipt = endpoint.dialect, endpoint.route.live, call.receipt
        assert isinstance(dialect, LiveDialect)
        assert limits is not None
        conversation: Conversation | None = None
        try:
            protocol = dialect.subprotocol(_offered(request))[0]
            response, socket = await _upgrade(request, head, receipt, protocol, limits)
            conversation = Conversation(call, reply, dialect.talk(call), Client(socket, limits, snapshot.config.server))
            self._open[call.id] = conversation
            self._metrics.opened(receipt.route)
            ending = await conversation.run()
        finally:
            try:
                await close(reply)
            finally:
                if conversation is not None:
                    del self._open[call.id]
                    self._metrics.closed(receipt.route, conversation.passed)
                if not self._open:
                    self._emptied.set()
        if ending is None:
            return response, SWITCHED
        receipt.error = ending.code
        return response, ending.status

    async def _last_words(
        self, session: asyncio.Task[tuple[web.StreamResponse, int]], call_id: str
    ) -> tuple[web.StreamResponse, int]:
        """Let a session end by itself whose request was cancelled. Raises ConnectionError where its client has left."""
        if call_id in self._open:
            self._open[call_id].go_away()  # says nothing to a client that is gone
        done, _ = await asyncio.wait({session}, timeout=LAST_WORDS_S)
        if not done:
            session.cancel()
            await asyncio.wait({session})
        return session.result()


def _check_handshake(head: Head) -> None:
    """Raises UpgradeRequired, or InvalidRequest for a handshake that is none."""
    headers = head.headers
    if head.method != "GET" or headers.get("upgrade", "").lower() != "websocket":
        raise UpgradeRequired(f"{head.path} is a WebSocket here; connect to it with ws:// or wss://")
    if "upgrade" not in (word.strip().lower() for word in headers.get("connection", "").split(",")):
        raise InvalidRequest("a WebSocket handshake needs 'Connection: Upgrade'; does a proxy in between drop it?")
    if headers.get("sec-websocket-version") != "13":
        raise UpgradeRequired("only version 13 of WebSocket is spoken here")
    if not headers.get("sec-websocket-key"):
        raise InvalidRequest("a WebSocket handshake needs 'Sec-WebSocket-Key'")


def _offered(request: web.BaseRequest) -> tuple[str, ...]:
    """Return the subprotocols that the client offers."""
    words = ",".join(request.headers.getall("sec-websocket-protocol", [])).split(",")
    return tuple(word.strip() for word in words if word.strip())


def _with_key(head: Head, key: str) -> Head:
    """Put a key that came among the subprotocols where keys are looked for, and keep it from everybody else."""
    headers = {name: value for name, value in head.headers.items() if name != "sec-websocket-protocol"}
    if key and not header_credential(head):
        headers["authorization"] = f"Bearer {key}"
    return replace(head, headers=headers)


async def _upgrade(
    request: web.BaseRequest, head: Head, receipt: Receipt, protocol: str, limits: LiveLimits
) -> tuple[web.StreamResponse, Socket]:
    """Answer 101, and take the connection over."""
    headers: dict[str, Any] = receipt_headers(receipt, asyncio.get_running_loop().time()) | {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": ws.accepting(head.headers["sec-websocket-key"]),
    }
    if protocol:
        headers["sec-websocket-protocol"] = protocol
    response = Upgraded(status=SWITCHED, headers=headers)
    response.force_close()
    await response.prepare(request)
    socket = Socket(request.protocol, socket_limits(limits), is_client=False)
    request.protocol.keep_alive(False)
    request.protocol.set_parser(socket)  # type: ignore[arg-type]  # it is fed as aiohttp's own parser is
    return response, socket


def socket_limits(limits: LiveLimits) -> SocketLimits:
    return SocketLimits(limits.frame_bytes, limits.queue_bytes, limits.ping_s)

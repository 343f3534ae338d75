"""Open a vendor's WebSocket: a request that is upgraded, over a connection of aiohttp's."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from http import HTTPStatus

import aiohttp

from gateway.errors import UpstreamMalformed
from gateway.types import UpstreamRequest, UpstreamResponse
from gateway.upstream.proxied import Proxied, answer_of
from gateway.upstream.socket import Socket, SocketLimits
from gateway.websocket import accepting


async def upgrade(
    session: Proxied, request: UpstreamRequest, connect_s: float, limits: SocketLimits
) -> Socket | UpstreamResponse:
    """Return an open WebSocket, or the answer of a vendor that does not open one.

    Raises UpstreamUnreachable, UpstreamCut, UpstreamMalformed where its handshake is wrong (RFC 6455, 4.1).
    """
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {
        **request.headers,
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": key,
    }
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
    response = await session.asked(replace(request, headers=headers), timeout)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        return answer_of(response)
    connection = response.connection
    told = response.headers.get("sec-websocket-accept", "")
    if connection is None or connection.protocol is None or told != accepting(key):
        response.close()
        raise UpstreamMalformed(f"{response.url.host} answered with a WebSocket handshake that is wrong")
    socket = Socket(connection.protocol, limits, is_client=True, release=response.close)
    connection.protocol.set_parser(socket, None)
    return socket

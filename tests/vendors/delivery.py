"""Performs an answer's script on a connection and notes in the record how far it got."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Sequence

from aiohttp import hdrs, web
from multidict import CIMultiDict

from tests.vendors.answers import Abort, Head, Step, Wait, Write
from tests.vendors.recording import RequestRecord

LINGER_ZERO = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends a reset instead of a clean end


async def perform(
    request: web.BaseRequest, record: RequestRecord, steps: Sequence[Step], event_interval_s: float
) -> web.StreamResponse:
    """Carry the steps out, `event_interval_s` apart from event to event, and return the finished response."""
    response = web.StreamResponse()
    for step in steps:
        match step:
            case Head():
                response = await _send_head(request, record, step)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Write(data, is_event):
                if is_event and record.events_sent and event_interval_s:
                    await asyncio.sleep(event_interval_s)
                await _send_bytes(response, record, data, is_event)
            case Abort():
                reset_connection(request)
                record.end("cut", time.monotonic())
                return response
    await response.write_eof()
    return response


def reset_connection(request: web.BaseRequest) -> None:
    """Close the request's connection with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()


async def _send_head(request: web.BaseRequest, record: RequestRecord, head: Head) -> web.StreamResponse:
    response = web.StreamResponse(status=head.status, headers=CIMultiDict(head.headers))
    if head.content_length is None:
        response.enable_chunked_encoding()
    else:
        response.content_length = head.content_length
    if hdrs.CONTENT_TYPE not in response.headers:
        response.content_type = "application/octet-stream"
    await response.prepare(request)
    record.status = head.status
    return response


async def _send_bytes(response: web.StreamResponse, record: RequestRecord, data: bytes, is_event: bool) -> None:
    await response.write(data)
    record.first_byte_at_s = record.first_byte_at_s or time.monotonic()
    record.bytes_sent += len(data)
    record.events_sent += is_event

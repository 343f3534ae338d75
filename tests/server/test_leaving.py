"""A client that leaves takes its upstream with it, at once; a client that does not read is given up in time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import pytest

from tests.harness import ROUTES, SANDBOX, Inside, inside
from tests.test_openai_client import VENDOR, VENDOR_ROUTES
from tests.vendors.faults import Fault, FaultKind
from tests.vendors.openai import API_KEY, OpenAIServer

LEFT_S = 0.05  # the promise is 10 ms; a loaded machine gets a little more


async def send(gateway: Inside, path: str, body: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = orjson.dumps(body)
    writer.write(
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(data), data)
    )
    return reader, writer


@pytest.mark.parametrize("phase", ["slow_headers", "slow_first_event", "stall_mid_stream"])
async def test_the_vendors_connection_is_closed_when_the_client_leaves(tmp_path: Path, phase: FaultKind) -> None:
    async with OpenAIServer() as vendor:
        vendor.faults.add(Fault(phase, delay_s=20, after_events=3, times=None))
        async with inside(tmp_path, VENDOR.format(base_url=vendor.base_url, key=API_KEY), VENDOR_ROUTES) as gateway:
            messages = [{"role": "user", "content": "a few words to stream"}]
            reader, writer = await send(
                gateway, "/v1/chat/completions", {"model": "chat", "messages": messages, "stream": True}
            )
            await vendor.wait_for_requests(1)
            if phase == "stall_mid_stream":
                await reader.readuntil(b"data: ")
            await asyncio.sleep(0.05)
            left_s = time.monotonic()
            writer.transport.abort()
            record = await vendor.requests[-1].wait_ended(2)
            assert record.outcome == "client_closed"
            assert record.client_closed_at_s is not None
            assert record.client_closed_at_s - left_s < LEFT_S
            await quiet(gateway)


async def test_a_client_that_leaves_while_it_uploads_leaves_nothing_behind(tmp_path: Path) -> None:
    async with inside(tmp_path) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF'
        )
        await asyncio.sleep(0.05)
        assert gateway.gateway.in_flight == 1
        writer.transport.abort()
        await quiet(gateway)


async def test_a_client_that_reads_nothing_is_given_up(tmp_path: Path) -> None:
    routes = ROUTES.replace('listen: "127.0.0.1:0"', 'listen: "127.0.0.1:0", write_timeout_s: 0.3')
    async with inside(tmp_path, SANDBOX, routes) as gateway:
        _, writer = await send(
            gateway, "/v1/audio/speech", {"voice": "nova", "input": "word " * 12_000, "response_format": "wav"}
        )
        await asyncio.sleep(0.15)
        assert gateway.gateway.in_flight == 1
        await quiet(gateway, within_s=20)
        writer.close()


async def quiet(gateway: Inside, within_s: float = 1.0) -> None:
    """Wait until nothing is in flight."""
    async with asyncio.timeout(within_s):
        while gateway.gateway.in_flight:
            await asyncio.sleep(0.005)

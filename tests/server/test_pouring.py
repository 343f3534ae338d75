"""A stream poured from the vendor's socket comes in the vendor's events, and no faster than its client reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from gateway.server.watch import _chunk
from tests.harness import Inside, inside
from tests.test_openai_client import VENDOR, VENDOR_ROUTES
from tests.upstream.raw_server import Connection, raw_server

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"
SOCKETS_BYTES = 24_000_000  # more than the kernel's buffers of four ends hold, and ours


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: %b\n\n" % json.dumps({"id": "1", "choices": [choice]}).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def asked(gateway: Inside, version: str = "1.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    body = b'{"model":"chat","stream":true,"messages":[{"role":"user","content":"hello"}]}'
    head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    return reader, writer


async def until_it_stays(value: Callable[[], int]) -> int:
    seen = -1
    while seen != value():
        seen = value()
        await asyncio.sleep(0.2)
    return seen


async def test_events_that_came_together_are_chunks_of_their_own(tmp_path: Path) -> None:
    events = [event(text) for text in ("so", " it", " is", " said", "é", "\n")]

    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(HEAD + chunk(events[0]), pause_s=0.1)
        await connection.send(b"".join(map(chunk, events[1:4])), pause_s=0.05)  # three chunks in one read
        await connection.send(chunk(b"".join(events[4:]) + DONE) + b"0\r\n\r\n")  # and two events in one chunk

    async with raw_server(talk) as vendor:
        routes = VENDOR.format(base_url=f"{vendor.url}/v1", key="k")
        async with inside(tmp_path, routes, VENDOR_ROUTES) as gateway:
            reader, writer = await asked(gateway)
            await reader.readuntil(b"\r\n\r\n")
            body = await asyncio.wait_for(reader.readuntil(b"0\r\n\r\n"), 5)
            writer.close()
    assert body == b"".join(map(chunk, [*events, DONE])) + b"0\r\n\r\n"


def test_a_piece_of_nothing_ends_no_answer() -> None:
    """A chunk of no bytes is HTTP's last one."""
    assert (_chunk(b""), _chunk(b"so")) == (b"", b"2\r\nso\r\n")


async def test_a_client_of_http_1_0_gets_the_bytes_without_chunks(tmp_path: Path) -> None:
    events = [event(text) for text in ("so", " it", " is")]

    async def talk(connection: Connection) -> None:
        await connection.request()
        await connection.send(HEAD + chunk(events[0]), *map(chunk, events[1:]), pause_s=0.05)
        await connection.send(chunk(DONE) + b"0\r\n\r\n")

    async with raw_server(talk) as vendor:
        routes = VENDOR.format(base_url=f"{vendor.url}/v1", key="k")
        async with inside(tmp_path, routes, VENDOR_ROUTES) as gateway:
            reader, writer = await asked(gateway, "1.0")
            head = await reader.readuntil(b"\r\n\r\n")
            body = await asyncio.wait_for(reader.read(-1), 5)
            writer.close()
    assert b"chunked" not in head.lower()
    assert body == b"".join(events) + DONE


async def test_of_a_stream_that_its_client_does_not_read_little_is_taken(tmp_path: Path) -> None:
    sent = 0
    may_end = asyncio.Event()
    large = event("word " * 12_000)

    async def talk(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(HEAD)
        while not may_end.is_set():
            await connection.send(chunk(large))
            sent += 1
        await connection.send(chunk(DONE) + b"0\r\n\r\n")

    async with raw_server(talk) as vendor:
        routes = VENDOR.format(base_url=f"{vendor.url}/v1", key="k")
        async with inside(tmp_path, routes, VENDOR_ROUTES) as gateway:
            reader, writer = await asked(gateway)
            await reader.readuntil(b"\r\n\r\n")
            before = await until_it_stays(lambda: sent)
            assert before * len(large) < SOCKETS_BYTES
            may_end.set()
            got = 0
            while (size := int(await reader.readuntil(b"\r\n"), 16)) > 0:
                got += await reader.readexactly(size + 2) == (large if size == len(large) else DONE) + b"\r\n"
            writer.close()
    assert got == sent + 1

"""One connection that is given more than it takes at once: nothing of it is lost, mixed up or left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from aiohttp.web_protocol import MAX_MSG_QUEUE_SIZE

from gateway.server.body import SPOOL_BYTES
from tests.harness import ROUTES, SANDBOX, Inside, inside
from tests.vendors.tones import tone_pcm, wav_file


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path, SANDBOX, ROUTES) as running:
        yield running


def chat(request_id: str, text: str = "one two", *, is_last: bool = False) -> bytes:
    body = orjson.dumps({"model": "chat", "messages": [{"role": "user", "content": text}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-request-id: {request_id}\r\n"
    head += f"Content-Length: {len(body)}\r\n" + ("Connection: close\r\n" if is_last else "")
    return head.encode() + b"\r\n" + body


async def answered(gateway: Inside, asked: bytes) -> list[tuple[str, int]]:
    """Send all at once, the last of which asks for the connection's end; return the id and status of each answer."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(asked)
    async with asyncio.timeout(30):
        sent = await reader.read()
    writer.close()
    found: list[tuple[str, int]] = []
    while sent:
        head, _, rest = sent.decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        told = dict(line.lower().split(": ", 1) for line in lines)
        found.append((told["x-request-id"], int(first.split(" ")[1])))
        sent = rest.encode()[int(told["content-length"]) :]
    return found


async def test_more_requests_than_are_queued_are_all_answered_in_their_order(gateway: Inside) -> None:
    ids = [f"number-{number:03}" for number in range(3 * MAX_MSG_QUEUE_SIZE)]
    asked = b"".join([*map(chat, ids), chat("the-last", is_last=True)])
    assert await answered(gateway, asked) == [(each, 200) for each in (*ids, "the-last")]


async def test_a_body_that_comes_faster_than_it_is_taken_is_taken_whole(gateway: Inside) -> None:
    """A file lies on disk from 1 MiB on, so that its reading is paused, with the next request in the same pieces."""
    recording = wav_file(tone_pcm(400, 120.0))
    form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntranscribe\r\n'
    form += (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + recording + b"\r\n--b--\r\n"
    )
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nx-request-id: the-large\r\n"
    head += f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(form)}\r\n\r\n"
    sent = head.encode() + form + chat("the-short") + chat("the-last", is_last=True)
    assert len(recording) > 2 * SPOOL_BYTES
    assert await answered(gateway, sent) == [
        ("the-large", 422),  # read to its end, and nothing is said in it
        ("the-short", 200),
        ("the-last", 200),
    ]

"""Uploads go out in pieces, as often as there are attempts, with their length said before."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.types import Base64File, Upload, UpstreamRequest
from gateway.upstream.files import CHUNK_BYTES, ShortFile, file_chunks, sent_bytes, sent_chunks
from gateway.upstream.http import HttpTransport


def upload(content: bytes) -> Upload:
    return Upload("a.wav", "audio/wav", len(content), io.BytesIO(content))


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


SIZES = [0, 1, 2, 3, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 2]


@pytest.mark.parametrize("size", SIZES)
async def test_a_file_goes_out_as_often_as_it_is_asked_for(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    file = upload(content)
    wrapped = Base64File(b'{"content":"', file, b'"}')
    for _ in range(2):
        assert await joined(sent_chunks(file)) == content
        assert await joined(sent_chunks(wrapped)) == b'{"content":"' + base64.b64encode(content) + b'"}'
    assert sent_bytes(file) == size
    assert sent_bytes(wrapped) == len(await joined(sent_chunks(wrapped)))


async def test_no_piece_is_larger_than_a_chunk() -> None:
    pieces = [len(piece) async for piece in file_chunks(upload(bytes(5 * CHUNK_BYTES)))]
    assert max(pieces) == CHUNK_BYTES


async def test_a_file_that_shrank_is_an_error_and_not_a_short_body() -> None:
    file = Upload("a.wav", "audio/wav", 1000, io.BytesIO(b"short"))
    with pytest.raises(ShortFile, match=r"less of 'a.wav' than its 1000 bytes"):
        await joined(sent_chunks(file))


async def test_an_upload_is_sent_over_http_with_its_length() -> None:
    seen: list[tuple[str | None, str | None, bytes]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        names = request.headers
        seen.append((names.get("content-length"), names.get("transfer-encoding"), await request.read()))
        return web.Response(text="ok")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    transport = HttpTransport("1.1 test")
    try:
        file = upload(b"abcd" * 100_000)
        for body in (file, file, Base64File(b"<", file, b">"), upload(b"")):
            response = await transport.bind(1.0)(UpstreamRequest("POST", url, {}, upload=body))
            assert await joined(response.chunks) == b"ok"
            await response.close()
    finally:
        await transport.aclose()
        await runner.cleanup()
    assert [entry[:2] for entry in seen] == [("400000", None), ("400000", None), ("533338", None), ("0", None)]
    assert seen[1][2] == b"abcd" * 100_000
    assert base64.b64decode(seen[2][2][1:-1]) == b"abcd" * 100_000

"""Uploads on their way out: read in pieces as they are sent, from their start each time, never whole in memory."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

from gateway.errors import GatewayError
from gateway.types import Base64File, Upload

CHUNK_BYTES = 196_608  # a multiple of three, so that the base64 of the pieces is the base64 of the whole
SPOOL_BYTES = 1_048_576  # an upload beyond this lies on disk, so that reading it may block


class ShortFile(GatewayError):
    """A spooled file holds less than it did, after a head has promised its length."""


def sent_bytes(upload: Upload | Base64File) -> int:
    """Return how many bytes go out, for Content-Length."""
    if isinstance(upload, Upload):
        return upload.size_bytes
    return len(upload.before) + 4 * -(-upload.upload.size_bytes // 3) + len(upload.after)


async def sent_chunks(upload: Upload | Base64File) -> AsyncIterator[bytes]:
    """Yield what goes out, `sent_bytes` in all. Can be called again: nothing is consumed."""
    if isinstance(upload, Upload):
        async for chunk in file_chunks(upload):
            yield chunk
        return
    yield upload.before
    async for chunk in file_chunks(upload.upload):
        yield base64.b64encode(chunk)
    yield upload.after


async def file_chunks(file: Upload) -> AsyncIterator[bytes]:
    """Yield a file's content. Raises ShortFile."""
    for start in range(0, file.size_bytes, CHUNK_BYTES):
        chunk = await _read(file, start)
        if len(chunk) != min(CHUNK_BYTES, file.size_bytes - start):
            raise ShortFile(f"less of '{file.filename}' than its {file.size_bytes} bytes")
        yield chunk


async def _read(file: Upload, start: int) -> bytes:
    def read() -> bytes:
        file.file.seek(start)
        return file.file.read(CHUNK_BYTES)

    return read() if file.size_bytes <= SPOOL_BYTES else await asyncio.to_thread(read)

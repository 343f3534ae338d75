"""Read a request's body: bounded in bytes and time, files spooled to disk beyond 1 MiB."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import Callable
from typing import IO

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from gateway.errors import InvalidRequest, SlowRequest, TooLarge
from gateway.types import Form, Head, Inbound, Upload

SPOOL_BYTES = 1_048_576  # a file stays in memory up to here
MAX_FIELD_BYTES = 65_536  # a text field of a form; prompts are far shorter
MAX_PARTS = 64
_READ_BYTES = 262_144
_DRAINED: deque[bytes] = deque(maxlen=0)  # what is left of each body that was read whole
_HASHED_BYTES = 262_144  # hashing more takes over a millisecond: not on the loop


class BodyReader:
    """Reads one body. `close` gives back the files it opened."""

    __slots__ = ("_files", "_limit_bytes", "_read_bytes", "_request", "_timeout_s")

    def __init__(self, request: web.BaseRequest, limit_bytes: int, timeout_s: float) -> None:
        self._request = request
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s
        self._read_bytes = 0
        self._files: list[IO[bytes]] = []

    async def read(self, head: Head, *, as_form: bool, as_upload: bool = False) -> Inbound:
        """Return the whole request.

        Raises TooLarge, SlowRequest, InvalidRequest where it is broken, InvalidSignature where another was signed.
        """
        length = self._request.content_length
        if length is not None and length > self._limit_bytes:
            raise self._too_large()
        if "100-continue" in head.headers.get("expect", "").lower():
            _continue(self._request)
        is_plain = not as_form and not as_upload and head.check_body is None
        try:
            if is_plain and self._request.content.is_eof():  # all of it came with its head, as small ones do
                body = self._request.content.read_nowait()
                self._count(len(body))
                self._request.content._buffer = _DRAINED  # its own would keep 600 bytes
                return Inbound(head, body)
            async with asyncio.timeout(self._timeout_s):
                if head.check_body is not None:
                    return Inbound(head, await self._signed(head.check_body))
                if as_form:
                    return Inbound(head, b"", await self._form(head))
                if as_upload:
                    return Inbound(head, b"", upload=await self._upload(head))
                return Inbound(head, await self._bytes())
        except TimeoutError as error:
            raise SlowRequest(f"the body did not arrive within {self._timeout_s:g} s") from error
        except (RequestPayloadError, HttpProcessingError) as error:
            raise InvalidRequest("the body is not framed as its headers say") from error

    async def close(self) -> None:
        for file in self._files:
            file.close()

    async def _bytes(self) -> bytes:
        parts: list[bytes] = []
        async for chunk in self._request.content.iter_any():
            self._count(len(chunk))
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _signed(self, check: Callable[[bytes], None]) -> bytes:
        """Only formats whose body is JSON are signed: nothing else is ever asked for here."""
        body = await self._bytes()
        if len(body) > _HASHED_BYTES:
            await asyncio.to_thread(check, body)
        else:
            check(body)
        return body

    async def _upload(self, head: Head) -> Upload:
        file = self._spool()
        async for chunk in self._request.content.iter_any():
            self._count(len(chunk))
            await _write(file, chunk, self._read_bytes)
        kind = head.headers.get("content-type", "application/octet-stream")
        return Upload("body", kind, self._read_bytes, file)

    async def _form(self, head: Head) -> Form:
        kind = head.headers.get("content-type", "")
        if not kind.lower().startswith("multipart/form-data"):
            raise InvalidRequest(f"the body must be multipart/form-data with the audio as 'file', not {kind[:60]!r}")
        fields: list[tuple[str, str]] = []
        files: list[tuple[str, Upload]] = []
        try:
            async for part in await self._request.multipart():
                if not isinstance(part, BodyPartReader) or not part.name:
                    raise InvalidRequest("every part of the form must be a named field")
                if len(fields) + len(files) >= MAX_PARTS:
                    raise InvalidRequest(f"the form has more than {MAX_PARTS} parts")
                if part.filename is not None:
                    files.append((part.name, await self._file(part)))
                else:
                    fields.append((part.name, await self._field(part)))
        except (ValueError, AssertionError, EOFError) as error:
            raise InvalidRequest("the multipart body is broken: its parts do not follow its boundary") from error
        return Form(tuple(fields), tuple(files))

    async def _field(self, part: BodyPartReader) -> str:
        value = b""
        while chunk := await part.read_chunk(_READ_BYTES):
            self._count(len(chunk))
            value += chunk
            if len(value) > MAX_FIELD_BYTES:
                raise TooLarge(f"field {part.name!r} is larger than {MAX_FIELD_BYTES} bytes", param=part.name)
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"field {part.name!r} is not UTF-8", param=part.name) from error

    async def _file(self, part: BodyPartReader) -> Upload:
        file = self._spool()
        size = 0
        while chunk := await part.read_chunk(_READ_BYTES):
            self._count(len(chunk))
            size += len(chunk)
            await _write(file, chunk, size)
        kind = part.headers.get("content-type", "application/octet-stream")
        return Upload(part.filename or "file", kind, size, file)

    def _spool(self) -> IO[bytes]:
        file: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115  # closed by `close`
        self._files.append(file)
        return file

    def _count(self, size: int) -> None:
        self._read_bytes += size
        if self._read_bytes > self._limit_bytes:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self._limit_bytes} bytes, the limit of this gateway")


async def _write(file: IO[bytes], chunk: bytes, size: int) -> None:
    """Write to a spooled file that has `size` bytes then: beyond SPOOL_BYTES it lies on disk, which may block."""
    if size > SPOOL_BYTES:
        await asyncio.to_thread(file.write, chunk)
    else:
        file.write(chunk)


def _continue(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send its body: he has been let in."""
    transport = request.transport
    if transport is not None:
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

"""One subprocess that runs `python -m gateway.worker FILE`, as frames in and frames out."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.types import UpstreamRequest
from gateway.upstream.files import ShortFile, file_chunks, sent_bytes, sent_chunks
from gateway.worker import DATA, FRAME, IN_PIECES, MAX_FRAME_BYTES, PIECE, REQUEST

_PAUSE_AT_BYTES = 262_144  # read and not yet consumed: from here the pipe fills, and then the worker waits
_STATUS_S = 1.0  # between the end of its output and its exit status, which the message wants
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")  # no credentials
_ROOT = str(Path(__file__).parents[2])  # what holds the package `gateway`

Frame = tuple[bytes, bytes]


class WorkerGone(Exception):
    """The process has ended, by itself or by `kill`."""


class WorkerProcess(asyncio.SubprocessProtocol):
    """Speaks the wire of gateway/worker.py, one request at a time: whoever asks reads to the end, or kills."""

    def __init__(self) -> None:
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.ReadTransport | None = None
        self._received = bytearray()
        self._frames: deque[Frame] = deque()
        self._queued_bytes = 0
        self._is_paused = False
        self._is_ended = False
        self._wakes_reader: asyncio.Future[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._exited = asyncio.Event()
        self._closed = asyncio.Event()

    @staticmethod
    async def spawn(file: str) -> WorkerProcess:
        """Start a process. Raises OSError."""
        process = WorkerProcess()
        await asyncio.get_running_loop().subprocess_exec(
            lambda: process,
            *(sys.executable, "-P", "-m", "gateway.worker", file),
            stderr=None,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the gateway, which lets open answers finish
        )
        return process

    @property
    def is_alive(self) -> bool:
        return not self._is_ended and not self._exited.is_set()

    @property
    def pid(self) -> int:
        return self._transport.get_pid() if self._transport else 0

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        status = self._transport.get_returncode() if self._transport else None
        if status is None:
            return "closed its output"
        return f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"

    async def send(self, request: UpstreamRequest) -> None:
        """Write a request; an upload goes out in pieces, as fast as they are taken. Raises WorkerGone."""
        head, payload_bytes = _head(request)
        await self._write(REQUEST.pack(len(head), payload_bytes) + head)
        try:
            async for chunk in _payload(request):
                await self._write(chunk)
        except ShortFile as error:
            raise WorkerGone(f"was sent {error.message}") from error

    async def begin(self, head: Mapping[str, Any]) -> None:
        """Write a request whose payload comes in pieces. Raises WorkerGone."""
        content = json.dumps(head).encode()
        await self._write(REQUEST.pack(len(content), IN_PIECES) + content)

    async def piece(self, data: bytes) -> None:
        """Write a piece of the payload, as fast as it is taken; b"" ends it. Raises WorkerGone."""
        await self._write(PIECE.pack(len(data)) + data)

    async def frame(self) -> Frame:
        """Return the next frame. Raises WorkerGone where the process ended without one."""
        while not self._frames:
            if self._is_ended:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STATUS_S):
                        await self._exited.wait()
                raise WorkerGone(self.ending)
            self._wakes_reader = asyncio.get_running_loop().create_future()
            await self._wakes_reader
        kind, content = self._frames.popleft()
        self._queued_bytes -= len(content)
        if self._is_paused and self._queued_bytes < _PAUSE_AT_BYTES and self._stdout and not self._is_ended:
            self._is_paused = False
            self._stdout.resume_reading()
        return kind, content

    def finish(self) -> None:
        """Close the worker's stdin, at which it exits once it is idle."""
        if self._stdin:
            self._stdin.close()

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        if self._transport:
            self._transport.close()

    async def wait_closed(self) -> None:
        """Return once the process has been reaped and its pipes are closed."""
        await self._closed.wait()

    async def _write(self, data: bytes) -> None:
        await self._may_write.wait()
        if self._stdin is None or not self.is_alive or self._stdin.is_closing():
            raise WorkerGone(self.ending)
        self._stdin.write(data)

    # ---- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._transport = transport
        stdin, stdout = transport.get_pipe_transport(0), transport.get_pipe_transport(1)
        assert isinstance(stdin, asyncio.WriteTransport)
        assert isinstance(stdout, asyncio.ReadTransport)
        self._stdin, self._stdout = stdin, stdout

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._received += data
        at = 0
        while len(self._received) >= at + FRAME.size:
            kind, size = FRAME.unpack_from(self._received, at)
            if size > MAX_FRAME_BYTES and kind == DATA:
                self.kill()  # these are not frames: FILE writes to the pipe behind the worker's back
                return
            if len(self._received) < at + FRAME.size + size:
                break
            self._frames.append((kind, bytes(self._received[at + FRAME.size : at + FRAME.size + size])))
            self._queued_bytes += size
            at += FRAME.size + size
        del self._received[:at]
        if self._queued_bytes >= _PAUSE_AT_BYTES and not self._is_paused and self._stdout:
            self._is_paused = True
            self._stdout.pause_reading()
        self._wake()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._is_ended = True
        self._may_write.set()
        self._wake()

    def process_exited(self) -> None:
        self._exited.set()
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ended = True
        self._may_write.set()
        self._closed.set()
        self._wake()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def _wake(self) -> None:
        if self._wakes_reader and not self._wakes_reader.done():
            self._wakes_reader.set_result(None)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return kept | {"PYTHONPATH": _ROOT, "PYTHONUNBUFFERED": "1"}


def _head(request: UpstreamRequest) -> tuple[bytes, int]:
    """Return the request without its payload as JSON, and the payload's size."""
    head: dict[str, Any] = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
    if request.upload is not None:
        return json.dumps(head).encode(), sent_bytes(request.upload)
    if isinstance(request.body, bytes):
        return json.dumps(head).encode(), len(request.body)
    head["fields"] = request.body.fields
    head["files"] = [
        {
            "name": name,
            "filename": upload.filename,
            "content_type": upload.content_type,
            "size_bytes": upload.size_bytes,
        }
        for name, upload in request.body.files
    ]
    return json.dumps(head).encode(), sum(upload.size_bytes for _, upload in request.body.files)


async def _payload(request: UpstreamRequest) -> AsyncIterator[bytes]:
    if request.upload is not None:
        async for chunk in sent_chunks(request.upload):
            yield chunk
    elif isinstance(request.body, bytes):
        yield request.body
    else:
        for _, file in request.body.files:
            async for chunk in file_chunks(file):
                yield chunk

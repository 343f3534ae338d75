"""A request's head as aiohttp reads it, which can be forgotten while a long answer is written."""

from __future__ import annotations

from typing import Any

from aiohttp import StreamReader
from aiohttp.http_parser import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy

NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Told:
    """All that aiohttp's server and its requests ask of a head. Theirs holds each header twice, and cannot let go."""

    __slots__ = (
        "chunked", "compression", "headers", "method", "path", "raw_headers", "should_close", "upgrade", "url",
        "version",
    )  # fmt: skip

    def __init__(self, message: RawRequestMessage) -> None:
        self.method = message.method
        self.path = message.path
        self.version = message.version
        self.headers = message.headers
        self.raw_headers: tuple[tuple[bytes, bytes], ...] = ()  # the headers again, as bytes: nobody asks for them
        self.should_close = message.should_close
        self.compression = message.compression
        self.upgrade = message.upgrade
        self.chunked = message.chunked
        self.url = message.url

    def forget(self) -> None:
        """Let go of the headers. Whether the connection stays, and what the request's line says, is still known."""
        self.headers = NO_HEADERS


class Waiting(list[tuple[Any, StreamReader]]):
    """Requests of one connection that nobody has taken yet, with their bodies.

    As a deque it would keep room for sixty-four, 760 bytes of each connection; aiohttp lets half as many wait.
    """

    __slots__ = ()

    def append(self, asked: tuple[Any, StreamReader]) -> None:
        message, body = asked
        super().append((Told(message) if isinstance(message, RawRequestMessage) else message, body))

    def popleft(self) -> tuple[Any, StreamReader]:
        return self.pop(0)

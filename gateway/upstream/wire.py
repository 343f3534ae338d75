"""One HTTP/1.1 connection to a vendor: writes a request, parses its answer, and knows whether it can be used again.

The parser is llhttp, in its strict form. What it lets pass and two readers may take differently is refused here.
"""

from __future__ import annotations

import asyncio
import re
import select
from collections.abc import AsyncIterator, Callable

import httptools

from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.upstream.answer import Answer
from gateway.upstream.origin import Origin
from gateway.upstream.outgoing import Body

MAX_HEAD_BYTES = 65_536  # of an answer, with all that came before it (1xx); vendors' are below 8,000
MAX_UNFRAMED_BYTES = 65_536  # in a row that are no body: sizes of chunks, their extensions, trailers
WRITE_BYTES = 262_144  # a body up to here is written at once, a larger one as the vendor takes it
_NO_BODY = frozenset({204, 304})
_TIMEOUT = re.compile(r"\btimeout=([0-9]{1,6})\b")


class Wire(asyncio.Protocol):
    """A connection that carries one exchange at a time: `ask`, read the answer, and then it is `give`n back or cut."""

    __slots__ = (
        "_answer", "_can_stay", "_ends_with_connection", "_give", "_is_interim", "_loop", "_lose", "_pairs", "_parser",
        "_readable", "_transport", "_unframed_bytes", "_upload", "_writable", "has_been_idle", "has_heard",
        "idle_since_s", "keep_s", "origin",
    )  # fmt: skip

    def __init__(self, origin: Origin, give: Callable[[Wire], None], lose: Callable[[Wire], None]) -> None:
        self.origin = origin
        self.has_been_idle = False  # so that it may have died before the present request
        self.has_heard = False  # of the present answer, a byte at least
        self.idle_since_s = 0.0
        self.keep_s = 0.0  # how long the vendor keeps it, where it has said so; 0: it has not
        self._give = give
        self._lose = lose
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._readable: select.poll | None = None  # made when it is first asked
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: Answer | None = None
        self._upload: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None  # while the socket's buffer is full
        self._pairs: list[tuple[bytes, bytes]] = []
        self._unframed_bytes = 0
        self._is_interim = False
        self._ends_with_connection = False
        self._can_stay = False

    # ------------------------------------------------------------ an exchange

    @property
    def is_fresh(self) -> bool:
        """Whether it can carry a request: it is open, and the vendor has neither closed it nor said anything since.

        The socket is asked too: that it was closed may not have come to the loop yet.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if self._readable is None:
            self._readable = select.poll()
            self._readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._readable.poll(0)

    async def ask(self, method: str, head: bytes, body: Body) -> Answer:
        """Send a request; return its answer once the head is there. Where that raises the connection is cut.

        Raises UpstreamCut, UpstreamMalformed, and what reading the body raises.
        """
        transport = self._transport
        assert transport is not None
        assert self._answer is None
        if self._parser is None:
            self._parser = httptools.HttpResponseParser(self)
        self._answer = answer = Answer(self, self._loop, is_of_head=method == "HEAD")
        self.has_heard = self._can_stay = self._ends_with_connection = False
        self._unframed_bytes = 0
        if isinstance(body, bytes) and len(body) <= WRITE_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            self._upload = self._loop.create_task(self._send(transport, body))
            self._upload.add_done_callback(self._sent)
        try:
            await answer.begun()
        except BaseException:
            self.abort()
            raise
        return answer

    def abort(self) -> None:
        """Cut the connection, whatever is still to be sent."""
        if self._upload is not None:
            self._upload.cancel()
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """The answer is read, or nobody reads it any more."""
        answer, self._answer = self._answer, None
        if answer is None or not answer.is_complete or not self._can_stay or self._upload is not None:
            self.abort()
            return
        if answer.is_of_head:
            self._parser = None  # it waits for the body that the head tells of
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._give(self)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # ------------------------------------------------------------ what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        answer, parser = self._answer, self._parser
        if answer is None or parser is None or answer.is_complete:
            self._can_stay = False
            self.abort()  # nothing was asked
            return
        self.has_heard = True
        self._unframed_bytes += len(data)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._can_stay = False
            answer.told()
            self._refuse(answer, str(error.__context__ or error))
            return
        answer.told()
        limit = MAX_UNFRAMED_BYTES if answer.is_begun else MAX_HEAD_BYTES
        if self._unframed_bytes > limit and not answer.is_complete:
            self._refuse(answer, f"more than {limit} bytes of head, of a chunk's size or of trailers")

    def eof_received(self) -> None:
        if self._answer is not None and self._ends_with_connection:
            self._answer.end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._can_stay = False
        self._transport = self._parser = None  # which holds this
        if self._answer is not None:
            self._fail(self._answer, exc)
        if self._upload is not None:
            self._upload.cancel()
        self.resume_writing()
        self._lose(self)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # ------------------------------------------------------------ what the parser calls

    def on_message_begin(self) -> None:
        if self._answer is None or self._answer.is_complete:
            self._can_stay = False
            raise _Refused("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        answer, parser, pairs = self._answer, self._parser, self._pairs
        assert answer is not None
        assert parser is not None
        self._pairs = []
        status = parser.get_status_code()
        if status < 200:
            if status < 100 or status == 101:
                raise _Refused(f"status {status}")
            self._is_interim = True
            return
        # Space after a value is none of it (RFC 9110, 5.5); llhttp leaves it there after a tab.
        headers = {n.decode("latin-1").lower(): v.rstrip(b" \t").decode("utf-8", "surrogateescape") for n, v in pairs}
        is_chunked = "transfer-encoding" in headers
        self._check(parser.get_http_version(), headers, pairs)
        if answer.is_of_head:
            self._can_stay = parser.should_keep_alive()
        elif not is_chunked and "content-length" not in headers and status not in _NO_BODY:
            self._ends_with_connection = True
        self._unframed_bytes = 0
        self.keep_s = _kept_s(headers)
        answer.begin(status, headers)
        if answer.is_of_head:
            answer.end()

    def on_body(self, piece: bytes) -> None:
        answer = self._answer
        if answer is None or answer.is_complete:
            self._can_stay = False
            raise _Refused("a body where there is none")
        self._unframed_bytes = 0
        answer.add(piece)

    def on_message_complete(self) -> None:
        answer, parser = self._answer, self._parser
        self._pairs = []  # trailers; nobody asks for them
        if self._is_interim:
            self._is_interim = False
        elif answer is not None and parser is not None and not answer.is_complete:
            self._can_stay = parser.should_keep_alive()
            answer.end()

    # ------------------------------------------------------------ within

    async def _send(self, transport: asyncio.Transport, body: Body) -> None:
        """Write a body as fast as it is taken. Ends early where the connection has."""
        pieces: AsyncIterator[bytes | memoryview] = _sliced(body) if isinstance(body, bytes) else body
        async for piece in pieces:
            if self._writable is not None:
                await self._writable
            if transport.is_closing():
                return
            transport.write(piece)

    def _sent(self, upload: asyncio.Task[None]) -> None:
        self._upload = None
        if upload.cancelled():
            return
        error = upload.exception()
        if error is not None:
            self._can_stay = False
            if self._answer is not None:
                self._answer.fail(error)
            self.abort()

    def _check(self, version: str, headers: dict[str, str], pairs: list[tuple[bytes, bytes]]) -> None:
        """Refuse what can be read in two ways. Lengths that contradict each other the parser has refused already."""
        if version not in ("1.1", "1.0"):
            raise _Refused(f"HTTP/{version}")
        if "transfer-encoding" in headers:
            if headers["transfer-encoding"].lower() != "chunked" or version == "1.0":
                raise _Refused("a transfer coding other than chunked")
            if sum(name.lower() == b"transfer-encoding" for name, _ in pairs) > 1:
                raise _Refused("two transfer codings")
        if self._unframed_bytes > MAX_HEAD_BYTES and sum(len(n) + len(v) + 4 for n, v in pairs) > MAX_HEAD_BYTES:
            raise _Refused(f"a head of more than {MAX_HEAD_BYTES} bytes")

    def _refuse(self, answer: Answer, reason: str) -> None:
        text = f"{self.origin.host} answered with something that is not HTTP: {reason}"
        answer.fail(UpstreamMalformed(text))
        self.abort()

    def _fail(self, answer: Answer, cause: Exception | None) -> None:
        how = "broke off in the middle of its answer" if answer.is_begun else "closed the connection before it answered"
        error = UpstreamCut(f"{self.origin.host} {how}")
        error.__cause__ = cause
        answer.fail(error)


class _Refused(Exception):
    """What the parser lets pass and we do not; it ends the parsing."""


async def _sliced(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)  # of which the slices are no copies
    for start in range(0, len(view), WRITE_BYTES):
        yield view[start : start + WRITE_BYTES]


def _kept_s(headers: dict[str, str]) -> float:
    """Return what `keep-alive: timeout=5` says, less a second for the way; 0 where it says nothing."""
    found = _TIMEOUT.search(headers.get("keep-alive", ""))
    return max(float(found[1]) - 1.0, 0.001) if found else 0.0

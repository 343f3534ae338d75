"""The only reader and writer of server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from gateway.errors import UpstreamMalformed
from gateway.types.values import quick

MAX_EVENT_BYTES = 4_194_304  # one event may carry a base64 image; more is not an event any more
# A line ends in CRLF, LF or CR. A CR that ends what has come so far may be half of a CRLF.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?:\r\n|\n|\r(?=[^\n]))")
_LONGEST_BLANK_LINE = 4
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@quick
@dataclass(frozen=True, slots=True)
class Event:
    """One event. `raw` is its bytes with the blank line that ends it, so that it can be passed on untouched."""

    data: bytes
    name: str = ""
    raw: bytes = field(default=b"", repr=False)


async def read(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """Yield the events of a stream cut anywhere. Comments come as events without data, for what passes bytes on.

    What follows the last blank line is no event and is dropped: a stream's end mark says whether it was complete.
    Raises UpstreamMalformed where one event is larger than MAX_EVENT_BYTES.
    """
    cutter = Cutter()
    async for chunk in chunks:
        for raw in cutter.feed(chunk):
            yield parse(raw)
    for raw in cutter.end():
        yield parse(raw)


class Cutter:
    """Cuts a stream into the bytes of its events, for `parse`; as `read` does, where that is no iterator of chunks."""

    def __init__(self) -> None:
        self.pending = bytearray()  # the beginning of an event

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the events that a chunk completes. Raises UpstreamMalformed."""
        pending = self.pending
        if pending:
            searched = max(0, len(pending) - _LONGEST_BLANK_LINE)
            pending += chunk
            if not any(_ends(pending, searched)):
                _check_size(pending)
                return
            chunk = bytes(pending)
            pending.clear()
        start = 0
        for end in _ends(chunk, 0):
            yield chunk[start:end]
            start = end
        pending += chunk[start:]
        _check_size(pending)

    def end(self) -> Iterator[bytes]:
        """Yield the last event, where a CR ended it after all."""
        if any(_ends(self.pending + b" ", 0)):
            yield bytes(self.pending)


def parse(raw: bytes) -> Event:
    """Return the event in `raw`, which ends with its blank line."""
    line = raw.rstrip(b"\r\n")
    if line.startswith(b"data: ") and b"\n" not in line and b"\r" not in line:  # nearly all events of all vendors
        return Event(line[6:], "", raw)
    name = ""
    data: list[bytes] = []
    for line in raw.removeprefix(_BYTE_ORDER_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        key, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if key == b"data":
            data.append(value)
        elif key == b"event":
            name = value.decode(errors="replace")
    return Event(b"\n".join(data), name, raw)


def write(data: bytes, name: str = "") -> bytes:
    """Return one event. Newlines in `data` become further data lines; a name may have none."""
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    if not name:
        return b"data: %b\n\n" % data
    if "\n" in name or "\r" in name:
        raise ValueError("the name of an event must be one line")
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _ends(buffer: bytes | bytearray, start: int) -> Iterator[int]:
    """Yield the position after each blank line from `start` on."""
    if buffer.find(b"\r", start) >= 0:
        yield from (match.end() for match in _BLANK_LINE.finditer(buffer, start))
        return
    while (start := buffer.find(b"\n\n", start) + 2) >= 2:  # as nearly all vendors write
        yield start


def _check_size(pending: bytearray) -> None:
    if len(pending) > MAX_EVENT_BYTES:
        raise UpstreamMalformed(f"an event of the stream is larger than {MAX_EVENT_BYTES} bytes")

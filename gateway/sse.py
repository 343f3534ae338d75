"""The only reader and writer of server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gateway.errors import UpstreamMalformed

MAX_EVENT_BYTES = 4_194_304  # one event may carry a base64 image; more is not an event any more


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
    buffer = b""
    async for chunk in chunks:
        buffer = buffer + chunk if buffer else chunk
        while (end := _end_of_event(buffer)) > 0:
            raw, buffer = buffer[:end], buffer[end:]
            yield parse(raw)
        if len(buffer) > MAX_EVENT_BYTES:
            raise UpstreamMalformed(f"an event of the stream is larger than {MAX_EVENT_BYTES} bytes")


def parse(raw: bytes) -> Event:
    """Return the event in `raw`, which ends with its blank line."""
    if raw.startswith(b"data: ") and raw.find(b"\n", 0, -2) < 0:  # one data line: nearly all events of all vendors
        return Event(raw[6:].rstrip(b"\r\n"), "", raw)
    name = ""
    data: list[bytes] = []
    for line in raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
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


def _end_of_event(buffer: bytes) -> int:
    """Return the position after the first blank line, or 0 where there is none yet."""
    ends = []
    for mark in (b"\n\n", b"\r\n\r\n", b"\r\r"):
        at = buffer.find(mark)
        if at >= 0:
            ends.append(at + len(mark))
    return min(ends, default=0)

"""An entry as bytes and back, for what outlives a process: a mark, a checksum, JSON, and the large parts after it.

    b"AGC1" | SHA-256 of all that follows | length of the JSON, 4 bytes | JSON | blobs, one after the other

Only the kinds of events below are ever made of what is read, and nothing of it is run.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from gateway import json
from gateway.stores.cache.entry import Entry
from gateway.types import (
    AudioChunk,
    AudioFormat,
    Done,
    Event,
    Filled,
    Segment,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Transcript,
    Units,
    Usage,
    Vector,
    Verbatim,
    Word,
)

MARK = b"AGC1"  # another layout is another number: what an older gateway wrote is then a miss
HEAD_BYTES = len(MARK) + 32 + 4

_KINDS: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (TextDelta, ThinkingDelta, ToolDelta, Vector, AudioChunk, Transcript, Filled, Verbatim, Usage, Done)
}
_PLAIN = tuple(field.name for field in fields(Entry) if field.name not in ("events", "headers", "offsets_ms"))


class Unreadable(Exception):
    """The bytes are no entry: cut, damaged, or of another version."""


def pack(entry: Entry) -> bytes | None:
    """Return the entry as bytes; None where it holds an event that is not kept beyond a process."""
    blobs: list[bytes] = []
    events = []
    for event in entry.events:
        if type(event).__name__ not in _KINDS:
            return None
        events.append(_packed(event, blobs))
    head = {name: getattr(entry, name) for name in _PLAIN}
    head |= {"headers": dict(entry.headers), "offsets_ms": entry.offsets_ms, "events": events}
    try:
        written = json.dumps(head)
    except TypeError:  # text that is no UTF-8 has no place in JSON
        return None
    body = b"".join([struct.pack("<I", len(written)), written, *blobs])
    return MARK + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> Entry:
    """Return the entry. Raises Unreadable."""
    if data[: len(MARK)] != MARK or len(data) < HEAD_BYTES:
        raise Unreadable("it has another mark")
    body = memoryview(data)[len(MARK) + 32 :]
    if hashlib.sha256(body).digest() != data[len(MARK) : len(MARK) + 32]:
        raise Unreadable("its checksum is another")
    try:
        (size,) = struct.unpack_from("<I", body)
        head = json.loads(bytes(body[4 : 4 + size]))
        reader = _Blobs(body[4 + size :])
        events = tuple(_unpacked(row, reader) for row in head["events"])
        plain = {name: head[name] for name in _PLAIN}
        return Entry(events=events, headers=head["headers"], offsets_ms=tuple(head["offsets_ms"]), **plain)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise Unreadable(f"its parts do not fit ({type(error).__name__})") from error


class _Blobs:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        taken = bytes(self._data[self._at : self._at + size])
        if len(taken) != size:
            raise ValueError("a part is missing")
        self._at += size
        return taken


def _packed(event: Event, blobs: list[bytes]) -> list[Any]:
    """`[kind, {field: value}]`; of what is large, the value is how many bytes it has among the blobs."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    if isinstance(event, AudioChunk | Verbatim):
        blobs.append(event.data)
        values["data"] = len(event.data)
    elif isinstance(event, Vector):
        blob = array("d", event.values).tobytes()
        blobs.append(blob)
        values["values"] = len(blob)
    return [type(event).__name__, values]  # what lies within, such as units, are dataclasses, which JSON takes


def _unpacked(row: list[Any], blobs: _Blobs) -> Event:
    kind, values = _KINDS[row[0]], row[1]
    if kind in (AudioChunk, Verbatim):
        values["data"] = blobs.take(values["data"])
    if kind is Vector:
        values["values"] = array("d", blobs.take(values["values"])).tolist()
    for name, build in _INNER.get(row[0], {}).items():
        values[name] = build(values[name])
    event: Event = kind(**values)
    return event


_INNER: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "AudioChunk": {"format": lambda value: None if value is None else AudioFormat(**value)},
    "Usage": {"units": lambda value: Units(**value)},
    "Filled": {"faults": tuple},
    "Transcript": {
        "segments": lambda rows: tuple(Segment(**row) for row in rows),
        "words": lambda rows: tuple(Word(**row) for row in rows),
    },
}

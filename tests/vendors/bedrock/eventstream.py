"""AWS's binary event stream, written: botocore has the reader only. All numbers are big-endian."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from typing import Any

from tests.vendors.sse import compact

STRING = 7  # the type of a header's value


def event(name: str, fields: Mapping[str, Any]) -> bytes:
    """Return an event."""
    kinds = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(kinds, compact(fields))


def exception(name: str, message: str) -> bytes:
    """Return an exception in the stream; its name begins small."""
    kinds = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(kinds, compact({"message": message}))


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message: lengths, their checksum, headers, payload, checksum of all."""
    head = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + head + payload
    return message + struct.pack(">I", binascii.crc32(message))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + bytes([STRING]) + struct.pack(">H", len(value)) + value

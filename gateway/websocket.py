"""The frames of WebSocket (RFC 6455), as bytes in and bytes out: no socket, no clock.

Of one connection a `FrameReader` holds at most one message that is not complete, which is bounded.
"""

from __future__ import annotations

import base64
import hashlib
import random

TEXT, BINARY = 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA
_CONTINUATION = 0x0
_DATA = frozenset({_CONTINUATION, TEXT, BINARY})
_KNOWN = _DATA | {CLOSE, PING, PONG}
_FIN, _RESERVED, _OPCODE, _MASKED = 0x80, 0x70, 0x0F, 0x80
_MAX_CONTROL_BYTES = 125  # RFC 6455, 5.5

NORMAL, GOING_AWAY, BROKEN, UNTAKEN, INVALID, POLICY, TOO_LARGE = 1000, 1001, 1002, 1003, 1007, 1008, 1009
FAULT, TRY_LATER, BAD_GATEWAY = 1011, 1013, 1014
NO_CODE, ABNORMAL = 1005, 1006  # never sent: the peer gave no code, or left without a close frame
_UNSENT = frozenset({1004, NO_CODE, ABNORMAL, 1015})
MAX_REASON_BYTES = _MAX_CONTROL_BYTES - 2


_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Violation(Exception):
    """What came in breaks the protocol or a limit; the connection is to be closed with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class FrameReader:
    """Bytes to messages. `is_masked`: they come from a client, which masks, and a server does not."""

    __slots__ = ("_buffer", "_is_masked", "_kind", "_max_bytes", "_needed", "_parts", "_parts_bytes")

    def __init__(self, *, is_masked: bool, max_bytes: int) -> None:
        self._is_masked = is_masked
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._needed = 0  # of bytes before the next frame is complete
        self._kind = 0  # of a message of which some frames are there
        self._parts: list[bytes] = []
        self._parts_bytes = 0

    def feed(self, data: bytes, found: list[tuple[int, bytes]]) -> None:
        """Append the messages and control frames that are complete to `found`. Raises Violation."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        self._needed = 0
        at, size = 0, len(data)
        while (head := size - at) >= 2:
            first, second = data[at], data[at + 1]
            length = second & 0x7F
            start = 2
            if length >= 126:
                start = 4 if length == 126 else 10
                if head < start:
                    break
                length = int.from_bytes(data[at + 2 : at + start], "big")
            self._check(first, second, length)
            mask = b""
            if second & _MASKED:
                mask = data[at + start : at + start + 4]
                start += 4
            if head < start + length:
                self._needed = start + length
                break
            at += start
            payload = data[at : at + length]
            at += length
            if mask:
                payload = masked(payload, mask)
            self._take(first, payload, found)
        if at < size:
            self._buffer += data[at:]

    def _check(self, first: int, second: int, length: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED or opcode not in _KNOWN:
            raise Violation(BROKEN, "a frame has reserved bits or an unknown opcode; no extension was agreed on")
        if bool(second & _MASKED) != self._is_masked:
            who = "a client has to mask its frames" if self._is_masked else "a server does not mask its frames"
            raise Violation(BROKEN, who)
        if opcode not in _DATA:
            if length > _MAX_CONTROL_BYTES or not first & _FIN:
                raise Violation(BROKEN, "a control frame is whole and has at most 125 bytes")
        elif length + self._parts_bytes > self._max_bytes:
            raise Violation(TOO_LARGE, f"a message has at most {self._max_bytes} bytes here; send smaller ones")

    def _take(self, first: int, payload: bytes, found: list[tuple[int, bytes]]) -> None:
        opcode = first & _OPCODE
        if opcode not in _DATA:
            found.append((opcode, payload))
            return
        if (opcode == _CONTINUATION) != bool(self._kind):
            raise Violation(BROKEN, "a message goes on that did not begin, or begins within another")
        if not first & _FIN:
            self._kind = self._kind or opcode
            self._parts.append(payload)
            self._parts_bytes += len(payload) + 1  # so that empty frames come to an end as well
            return
        if self._kind:
            opcode, payload = self._kind, b"".join((*self._parts, payload))
            self._kind, self._parts_bytes = 0, 0
            self._parts.clear()
        if opcode == TEXT:
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                raise Violation(INVALID, "a text message is not UTF-8") from error
        found.append((opcode, payload))


def frame(opcode: int, payload: bytes, *, is_masked: bool = False) -> bytes:
    """Return one whole frame, masked by fresh random bits where a client sends it."""
    length = len(payload)
    bit = _MASKED if is_masked else 0
    if length < 126:
        head = bytes((_FIN | opcode, bit | length))
    elif length < 65_536:
        head = bytes((_FIN | opcode, bit | 126, length >> 8, length & 0xFF))
    else:
        head = bytes((_FIN | opcode, bit | 127)) + length.to_bytes(8, "big")
    if not is_masked:
        return head + payload
    mask = random.getrandbits(32).to_bytes(4, "big")
    return head + mask + masked(payload, mask)


def masked(payload: bytes, mask: bytes) -> bytes:
    """Return the payload with its mask of 4 bytes applied, which also takes it off."""
    length = len(payload)
    if not length:
        return payload
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")


def closing(code: int, reason: str = "") -> bytes:
    """Return the payload of a close frame. The reason is cut to what fits; NO_CODE gives an empty one."""
    if code == NO_CODE:
        return b""
    return code.to_bytes(2, "big") + reason.encode(errors="replace")[:MAX_REASON_BYTES].decode(errors="ignore").encode()


def closed_with(payload: bytes) -> tuple[int, str]:
    """Return code and reason of a peer's close frame. Raises Violation for one that is none."""
    if not payload:
        return NO_CODE, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not is_sendable(code):
        raise Violation(BROKEN, f"a close frame has the code {code}, which nobody may send")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError as error:
        raise Violation(INVALID, "the reason of a close frame is not UTF-8") from error


def is_sendable(code: int) -> bool:
    """Whether a close frame may carry this code (RFC 6455, 7.4, and the register of 2026)."""
    return (1000 <= code <= 1014 and code not in _UNSENT) or 3000 <= code < 5000


def accepting(key: str) -> str:
    """Return what a server answers to a client's `sec-websocket-key`."""
    return base64.b64encode(hashlib.sha1(key.encode() + _KEY, usedforsecurity=False).digest()).decode()

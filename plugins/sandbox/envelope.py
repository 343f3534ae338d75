"""How a text travels inside audio: magic, length and checksum before its UTF-8, so nothing else is taken for one."""

from __future__ import annotations

import struct
import zlib

MAGIC = b"sbx\x01"
_HEAD = struct.Struct(">4sII")
HEAD_BYTES = _HEAD.size


def pack(text: str) -> bytes:
    """Return the bytes that carry `text`."""
    payload = text.encode()
    return _HEAD.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


def size_bytes(head_bits: bytes) -> int:
    """Return how many bytes a text has, by its head as characters 0 and 1."""
    size: int = _HEAD.unpack(_bytes(head_bits))[1]
    return size


def unpack_all(data: bytes) -> list[str]:
    """Return every text in `data`: audio that was joined from several parts carries several."""
    texts: list[str] = []
    at = data.find(MAGIC)
    while at >= 0:
        text = _unpack(data, at)
        if text is not None:
            texts.append(text)
        at = data.find(MAGIC, at + (1 if text is None else _HEAD.size + len(text.encode())))
    return texts


def bits(data: bytes) -> bytes:
    """Return `data` as the characters 0 and 1, the highest bit of each byte first."""
    return f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}".encode()


def unpack_all_bits(data: bytes) -> list[str]:
    """Return every text in `data`, which is characters 0 and 1; a text may start at any of them."""
    texts: list[str] = []
    magic = bits(MAGIC)
    at = data.find(magic)
    while at >= 0:
        head = _bytes(data[at : at + 8 * _HEAD.size])
        size = _HEAD.unpack(head)[1] if len(head) == _HEAD.size else 0
        end = at + 8 * (_HEAD.size + size)
        text = _unpack(_bytes(data[at:end]), 0)
        if text is not None:
            texts.append(text)
        at = data.find(magic, at + 1 if text is None else end)
    return texts


def _unpack(data: bytes, at: int) -> str | None:
    if len(data) < at + _HEAD.size:
        return None
    _, size, checksum = _HEAD.unpack_from(data, at)
    payload = data[at + _HEAD.size : at + _HEAD.size + size]
    if len(payload) < size or zlib.crc32(payload) != checksum:
        return None
    return payload.decode()


def _bytes(ones_and_zeros: bytes) -> bytes:
    whole = len(ones_and_zeros) // 8
    return int(ones_and_zeros[: 8 * whole] or b"0", 2).to_bytes(whole, "big")

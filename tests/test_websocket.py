"""The frames of WebSocket: as RFC 6455 has them, however the bytes are cut, and bounded."""

from __future__ import annotations

import random

import pytest

from gateway import websocket as ws


def reader(max_bytes: int = 1 << 20, *, is_masked: bool = True) -> ws.FrameReader:
    return ws.FrameReader(is_masked=is_masked, max_bytes=max_bytes)


def read(data: bytes, *, is_masked: bool = True, max_bytes: int = 1 << 20) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    reader(max_bytes, is_masked=is_masked).feed(data, found)
    return found


def part(opcode: int, payload: bytes, *, is_last: bool) -> bytes:
    """One frame of a message in several."""
    whole = bytearray(ws.frame(opcode, payload, is_masked=True))
    whole[0] = opcode | (0x80 if is_last else 0)
    return bytes(whole)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 125, 126, 127, 65_535, 65_536, 100_003])
@pytest.mark.parametrize("is_masked", [True, False])
def test_a_message_of_any_length_comes_back(size: int, is_masked: bool) -> None:
    payload = random.Random(size).randbytes(size)
    data = ws.frame(ws.BINARY, payload, is_masked=is_masked)
    assert read(data, is_masked=is_masked) == [(ws.BINARY, payload)]


def test_frames_are_those_of_the_rfc() -> None:
    """RFC 6455, 5.7."""
    assert ws.frame(ws.TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert read(bytes.fromhex("818537fa213d7f9f4d5158")) == [(ws.TEXT, b"Hello")]
    assert read(bytes.fromhex("010348656c80026c6f"), is_masked=False) == [(ws.TEXT, b"Hello")]
    assert read(bytes.fromhex("890548656c6c6f"), is_masked=False) == [(ws.PING, b"Hello")]
    assert ws.accepting("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_it_does_not_matter_how_the_bytes_are_cut() -> None:
    messages = [
        (ws.TEXT, "grüße".encode()),
        (ws.BINARY, bytes(300)),
        (ws.PING, b"now"),
        (ws.BINARY, b""),
        (ws.CLOSE, ws.closing(1000, "done")),
    ]
    data = b"".join(ws.frame(opcode, payload, is_masked=True) for opcode, payload in messages)
    for step in (1, 2, 3, 5, 7, 64, 301):
        found: list[tuple[int, bytes]] = []
        one = reader()
        for at in range(0, len(data), step):
            one.feed(data[at : at + step], found)
        assert found == messages, step


def test_a_message_in_several_frames_is_one_with_a_ping_in_between() -> None:
    data = (
        part(ws.TEXT, b"gr\xc3", is_last=False)
        + ws.frame(ws.PING, b"", is_masked=True)
        + part(0, b"\xbc", is_last=False)
        + part(0, b"n", is_last=True)
    )
    assert read(data) == [(ws.PING, b""), (ws.TEXT, "grün".encode())]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (ws.frame(ws.TEXT, b"hello"), ws.BROKEN),  # not masked
        (b"\xc2\x80\0\0\0\0", ws.BROKEN),  # a reserved bit
        (b"\x83\x80\0\0\0\0", ws.BROKEN),  # an unknown opcode
        (b"\x8b\x80\0\0\0\0", ws.BROKEN),
        (b"\x09\x80\0\0\0\0", ws.BROKEN),  # a ping in pieces
        (b"\x89\xfe\x00\x7e", ws.BROKEN),  # a ping of 126 bytes
        (part(0, b"x", is_last=True), ws.BROKEN),  # goes on with nothing
        (part(1, b"x", is_last=False) + part(1, b"y", is_last=True), ws.BROKEN),  # begins within another
        (ws.frame(ws.TEXT, b"\xff", is_masked=True), ws.INVALID),
        (part(1, b"\xc3", is_last=False) + part(0, b"", is_last=True), ws.INVALID),
    ],
    ids=range(10),  # masks are random, and the names of tests must not be
)
def test_what_breaks_the_protocol_has_its_code(data: bytes, code: int) -> None:
    with pytest.raises(ws.Violation) as caught:
        read(data)
    assert caught.value.code == code


def test_the_limit_of_a_message_holds_for_its_frames_together_and_before_it_is_there() -> None:
    assert read(ws.frame(ws.BINARY, bytes(100), is_masked=True), max_bytes=100)
    with pytest.raises(ws.Violation) as caught:
        read(ws.frame(ws.BINARY, bytes(101), is_masked=True)[:8], max_bytes=100)
    assert caught.value.code == ws.TOO_LARGE
    with pytest.raises(ws.Violation):
        read(part(2, bytes(60), is_last=False) + part(0, bytes(60), is_last=True), max_bytes=100)
    endless = part(2, b"", is_last=False) + part(0, b"", is_last=False) * 200
    with pytest.raises(ws.Violation):
        read(endless + part(0, bytes(50), is_last=True), max_bytes=100)


def test_what_came_before_a_violation_is_there() -> None:
    found: list[tuple[int, bytes]] = []
    with pytest.raises(ws.Violation):
        reader().feed(ws.frame(ws.BINARY, b"good", is_masked=True) + b"\xff\x80", found)
    assert found == [(ws.BINARY, b"good")]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 1014, 3000, 4999])
def test_a_close_frame_has_a_code_and_a_reason(code: int) -> None:
    assert ws.closed_with(ws.closing(code, "because")) == (code, "because")


@pytest.mark.parametrize("payload", ["03", "03ed", "03ee", "03f7", "0000", "1388", "0bb7"])
def test_a_close_frame_with_a_code_that_nobody_may_send_is_a_violation(payload: str) -> None:
    with pytest.raises(ws.Violation):
        ws.closed_with(bytes.fromhex(payload))


def test_a_reason_is_cut_to_what_fits_at_a_whole_character() -> None:
    payload = ws.closing(1008, "ü" * 100)
    assert len(payload) <= 125
    assert ws.closed_with(payload) == (1008, "ü" * 61)
    assert ws.closing(ws.NO_CODE, "never sent") == b""
    assert ws.closed_with(b"") == (ws.NO_CODE, "")

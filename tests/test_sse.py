"""Server-sent events are read however they are cut, and what is written is read back (pain 45)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sse
from gateway.errors import UpstreamMalformed
from gateway.sse import MAX_EVENT_BYTES, Event
from tests.proportion import MOST, growth

EOL = st.sampled_from([b"\n", b"\r", b"\r\n"])
# No line breaks, and often what looks like the format's own marks.
VALUE = st.lists(st.sampled_from([b"a", b" ", b":", b"data: ", "é😀".encode(), b"\xff", b"\0", b"{}"]), max_size=4)


async def chunked(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(*pieces: bytes) -> list[Event]:
    return [event async for event in sse.read(chunked(pieces))]


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[tuple[bytes, str]]]:
    """A stream of events with lines ended in every way, and what is in it: (data, name) each."""
    raw, events = b"", []
    for _ in range(draw(st.integers(1, 4))):
        name, data = "", []
        for _ in range(draw(st.integers(1, 4))):
            field = draw(st.sampled_from(["data", "data", "data", "event", "comment", "id", "bare"]))
            value = b"".join(draw(VALUE))
            if field == "data":
                data.append(value)
                raw += b"data: " + value if draw(st.booleans()) or value[:1] == b" " else b"data:" + value
            elif field == "event":
                name = value.decode(errors="replace")
                raw += b"event: " + value
            elif field == "bare":
                data.append(b"")
                raw += b"data"
            else:
                raw += (b":" if field == "comment" else b"id: ") + value
            raw += draw(EOL)
        # An LF after a CR would be one line's end with it, and no blank line.
        raw += draw(st.sampled_from([b"\r", b"\r\n"]) if raw.endswith(b"\r") else EOL)
        events.append((b"\n".join(data), name))
    return raw, events


@given(streams(), st.data())
async def test_a_stream_reads_the_same_however_it_is_cut(
    stream: tuple[bytes, list[tuple[bytes, str]]], data: st.DataObject
) -> None:
    raw, expected = stream
    whole = await read(raw)
    assert [(event.data, event.name) for event in whole] == expected
    assert b"".join(event.raw for event in whole) == raw
    for at in range(len(raw) + 1):
        assert await read(raw[:at], raw[at:]) == whole
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    assert await read(*(raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True))) == whole
    assert await read(*(bytes([byte]) for byte in raw)) == whole


async def test_the_end_of_a_stream_ends_no_event() -> None:
    assert [event.data for event in await read(b"data: a\n\ndata: b\n")] == [b"a"]
    assert await read(b"data: b") == []
    assert await read() == []


async def test_comments_and_keep_alives_pass_as_events_without_data() -> None:
    events = await read(b": waiting\n\ndata: a\n\n")
    assert [(event.data, event.raw) for event in events] == [(b"", b": waiting\n\n"), (b"a", b"data: a\n\n")]


async def test_a_byte_order_mark_before_the_first_event_is_no_part_of_it() -> None:
    events = await read(b"\xef\xbb", b"\xbfdata: a\n\ndata: b\n\n")
    assert [event.data for event in events] == [b"a", b"b"]


async def test_a_character_cut_in_two_is_whole_again() -> None:
    raw = "data: 😀\n\n".encode()
    assert (await read(raw[:8], raw[8:]))[0].data.decode() == "😀"


@pytest.mark.parametrize("more", [0, 1])
async def test_an_event_is_bounded(more: int) -> None:
    open_event = b"data: " + b"x" * (MAX_EVENT_BYTES - 6 + more)
    pieces = [open_event[at : at + 65_536] for at in range(0, len(open_event), 65_536)]
    if more:
        with pytest.raises(UpstreamMalformed):
            await read(*pieces)
    else:
        assert len((await read(*pieces, b"\n\n"))[0].data) == MAX_EVENT_BYTES - 6


async def test_a_large_event_in_many_pieces_costs_time_in_proportion() -> None:
    async def read_large(pieces: int) -> None:
        events = await read(b"data: ", *([b"x" * 256] * pieces), b"\n\n")
        assert len(events[0].data) == pieces * 256

    assert await growth(read_large, 1_200) < MOST


@pytest.mark.parametrize("eol", [b"\n", b"\r\n", b"\r"])
async def test_many_events_in_one_piece_cost_time_in_proportion(eol: bytes) -> None:
    async def read_many(count: int) -> None:
        events = await read((b"data: " + b"x" * 100 + eol * 2) * count)
        assert len(events) == count
        assert {event.data for event in events} == {b"x" * 100}

    assert await growth(read_many, 1_000) < MOST


@given(st.lists(st.tuples(st.binary(max_size=20) | VALUE.map(b"".join), st.text(max_size=8)), max_size=4))
async def test_what_is_written_is_read_back(events: list[tuple[bytes, str]]) -> None:
    """Line breaks come back as LF, the only one that the format can carry."""
    one_line = [(data, name.replace("\n", "").replace("\r", "")) for data, name in events]
    found = await read(*(sse.write(data, name) for data, name in one_line))
    assert [(event.data, event.name) for event in found] == [
        (data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), name) for data, name in one_line
    ]


@pytest.mark.parametrize("evil", [b"a\ndata: b", b"a\n\nevent: x", b"\r\rdata: b", b"a\r\n\r\nid: 1", b"\n", b"a\r"])
async def test_no_line_break_in_data_starts_a_field_or_an_event(evil: bytes) -> None:
    found = await read(sse.write(evil, "delta"))
    assert [(event.name, event.data) for event in found] == [
        ("delta", evil.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    ]


@pytest.mark.parametrize("name", ["a\nb", "a\r", "\n", "x\r\ndata: y"])
def test_a_name_of_several_lines_is_a_fault(name: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        sse.write(b"x", name)

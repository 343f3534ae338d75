"""An entry as bytes: the very same comes back, and what is damaged, cut or strange never does."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.cache.codec import Unreadable, pack, unpack
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
from tests.stores.cache.kept import entry

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
EVENTS = st.one_of(
    st.builds(TextDelta, TEXTS),
    st.builds(ThinkingDelta, TEXTS),
    st.builds(ToolDelta, st.integers(0, 9), TEXTS, TEXTS, TEXTS),
    st.builds(Verbatim, st.binary()),
    st.builds(AudioChunk, st.binary()),
    st.builds(Vector, st.integers(0, 9), st.lists(st.floats(allow_nan=False, allow_infinity=False))),
    st.builds(Transcript, TEXTS),
    st.builds(Usage, st.builds(Units, st.integers(0, 2**40))),
    st.just(Done()),
)
EVERYTHING: tuple[Event, ...] = (
    TextDelta("語 \0 😀"),
    AudioChunk(b"\xff\xfb", AudioFormat("mp3", "audio/mpeg", 24_000)),
    Vector(3, [0.1, -1e-300, math.pi]),
    Transcript("a b", "en", 1.0, (Segment("a b", 0.0, 1.0, "S1"),), (Word("a", 0.0, 0.5), Word("b", 0.5, 1.0))),
    Filled({"a": [1, None, "x"]}, is_repaired=True, faults=("a is no number",), pieces=2),
    Verbatim(b"data: \n\n"),
    Usage(Units(3, output_tokens=1)),
    Done(),
)


@given(st.lists(EVENTS, max_size=8), st.lists(st.integers(0, 10**6), max_size=8))
def test_every_entry_comes_back(events: list[Event], offsets: list[int]) -> None:
    before = replace(
        entry(100, headers={"x-gateway-dropped": "seed"}, etag='"e"', mode="stream", is_large=True),
        events=tuple(events),
        offsets_ms=tuple(offsets),
    )
    written = pack(before)
    assert written is not None
    assert unpack(written) == before


def test_what_lies_within_events_comes_back_as_what_it_was() -> None:
    before = replace(entry(), events=EVERYTHING)
    written = pack(before)
    assert written is not None
    assert unpack(written) == before


def test_every_cut_and_every_turned_byte_is_found() -> None:
    written = pack(replace(entry(), events=EVERYTHING))
    assert written is not None
    for at in range(len(written)):
        with pytest.raises(Unreadable):
            unpack(written[:at])
        with pytest.raises(Unreadable):
            unpack(written[:at] + bytes([written[at] ^ 1]) + written[at + 1 :])


@pytest.mark.parametrize("data", [b"", b"AGC1", b"AGC2" + bytes(100), b"AGC1" + bytes(32), b"x" * 1000])
def test_what_is_no_entry_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(data)


def test_a_text_that_json_cannot_hold_is_not_kept_beyond_the_process() -> None:
    assert pack(entry(text="\udcff")) is None

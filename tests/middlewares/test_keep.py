"""Is this worth keeping: whole answers, under what produced them, up to a size."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import UpstreamCut
from gateway.middlewares.keep import joined
from gateway.stores.cache import Entry, event_bytes
from gateway.types import (
    Attempt,
    AudioChunk,
    AudioFormat,
    Done,
    Event,
    Filled,
    TextDelta,
    Units,
    Usage,
    Verbatim,
)
from tests.given import drained
from tests.middlewares.caching import ANSWER, Setup, chat, speech


def kept(setup: Setup) -> list[Entry]:
    return [entry for _, entry in setup.store.memory._entries.values()]


@pytest.mark.parametrize("events", [(TextDelta("4"), UpstreamCut("cut")), (UpstreamCut("cut"),)])
async def test_a_cut_answer_is_not_kept(events: tuple[Event | BaseException, ...]) -> None:
    setup = Setup()
    setup.events = events
    with pytest.raises(UpstreamCut):
        await setup.ask(chat())
    assert kept(setup) == []


async def test_an_answer_whose_client_left_is_not_kept() -> None:
    setup = Setup()
    answer = await setup.handle(chat())
    assert await anext(answer.events) == ANSWER[0]
    await answer.events.aclose()  # type: ignore[attr-defined]
    assert kept(setup) == []


@pytest.mark.parametrize("outcome", ["aborted", "upstream_cut"])
async def test_an_answer_that_no_attempt_brought_to_its_end_is_not_kept(outcome: str) -> None:
    setup = Setup()
    given = chat()
    answer = await setup.handle(given)
    given.receipt.attempts[:] = [Attempt("first/model", outcome=outcome)]
    await drained(answer.events)
    assert kept(setup) == []


@pytest.mark.parametrize(("is_fallback", "count"), [(True, 0), (False, 1)])
async def test_what_stands_for_a_prompts_answer_is_not_kept(is_fallback: bool, count: int) -> None:
    setup = Setup()
    setup.events = (Filled({"a": 1}, is_fallback=is_fallback), Done())
    await setup.ask(chat())
    assert len(kept(setup)) == count


@pytest.mark.parametrize(("more", "count"), [(-1, 1), (0, 1), (1, 0)])
async def test_an_answer_is_kept_up_to_its_largest_size(more: int, count: int) -> None:
    setup = Setup(max_entry_bytes=10_000)
    size = 10_000 - event_bytes(Verbatim(b"")) - event_bytes(Done())
    setup.events = (Verbatim(b"x" * (size + more)), Done())
    await setup.ask(chat())
    assert len(kept(setup)) == count


async def test_an_answer_too_large_to_be_kept_passes_in_full() -> None:
    setup = Setup(max_entry_bytes=1000)
    setup.events = (*(TextDelta("x" * 100) for _ in range(50)), Done())
    assert (await setup.ask(chat()))[1] == list(setup.events)
    assert kept(setup) == []


async def test_an_answer_is_kept_for_its_time_and_for_as_long_as_it_may_be_given_stale() -> None:
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, 0),
        ({"stale_while_revalidate_s": 5.0}, 5),
        ({"stale_while_revalidate_s": 5.0, "stale_if_error_s": 9.0}, 9),
    ]
    for policy, later_s in cases:
        setup = Setup(**policy)
        await setup.ask(chat())
        (entry,) = kept(setup)
        assert (entry.fresh_until, entry.kept_until) == (setup.clock() + 60, setup.clock() + 60 + later_s)


@pytest.mark.parametrize(
    ("served_by", "first_choice", "is_first"),
    [
        ("first/model", "first/model", True),
        ("second/model", "first/model", False),
        ("second/model", "second/model", True),  # a strategy had it first
        ("first/model", "", False),  # it stands in for one that is shut
    ],
)
async def test_an_answer_of_who_stands_in_is_kept_apart(served_by: str, first_choice: str, is_first: bool) -> None:
    setup = Setup()
    setup.served_by, setup.first_choice = served_by, first_choice
    await setup.ask(chat())
    ((key, entry),) = setup.store.memory._entries.values()
    assert entry.target == served_by
    assert (key.slot == "") == is_first


@pytest.mark.parametrize(("pace", "expected"), [(True, [0, True, True]), (False, [])])
async def test_the_pace_of_a_stream_is_kept_where_it_is_wanted(pace: bool, expected: list[object]) -> None:
    setup = Setup(has_original_pace=pace)
    setup.events = (TextDelta("a"), 0.03, TextDelta("b"), Done())
    await setup.ask(chat(stream=True))
    (entry,) = kept(setup)
    assert [offset if offset == 0 else offset >= 29 for offset in entry.offsets_ms] == expected


async def test_audio_and_what_is_large_is_for_the_disk() -> None:
    cases: list[tuple[tuple[Event, ...], str, bool]] = [
        ((TextDelta("a"), Done()), "openai.chat", False),
        ((Verbatim(b"x" * 65_536), Done()), "openai.chat", True),
        ((AudioChunk(b"ID3"), Done()), "openai.speech", True),
    ]
    for events, dialect, is_large in cases:
        setup = Setup(dialect=dialect, max_entry_bytes=500_000)
        setup.events = events
        await setup.ask(speech() if dialect == "openai.speech" else chat())
        (entry,) = kept(setup)
        assert entry.is_large == is_large


async def test_nothing_is_recorded_of_an_answer_that_is_not_to_be_kept() -> None:
    setup = Setup()
    await setup.ask(chat(headers={"x-gateway-cache-ttl": "0"}))
    await setup.ask(chat(headers={"cache-control": "no-store"}))
    assert kept(setup) == []


FORMAT = AudioFormat("mp3", "audio/mpeg")
SSE = "text/event-stream"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([TextDelta("a"), TextDelta("b"), Done()], [TextDelta("ab"), Done()]),
        ([TextDelta("a"), TextDelta("b", 1)], [TextDelta("a"), TextDelta("b", 1)]),  # of another choice
        ([TextDelta("a"), Usage(Units(1)), TextDelta("b")], [TextDelta("a"), Usage(Units(1)), TextDelta("b")]),
        ([AudioChunk(b"a", FORMAT), AudioChunk(b"b"), AudioChunk(b"c")], [AudioChunk(b"abc", FORMAT)]),
        (
            [Verbatim(b"a", content_type=SSE), Verbatim(b"b"), Verbatim(b"u", is_content=False), Verbatim(b"c")],
            [Verbatim(b"ab", content_type=SSE), Verbatim(b"u", is_content=False), Verbatim(b"c")],
        ),
        ([], []),
    ],
)
def test_what_follows_each_other_is_kept_as_one(events: list[Event], expected: list[Event]) -> None:
    assert joined(events) == expected


async def test_a_stream_is_counted_as_large_as_it_is_kept() -> None:
    for has_pace, events in [(False, 2), (True, 101)]:
        setup = Setup(has_original_pace=has_pace)
        setup.events = (*(TextDelta("word ") for _ in range(100)), Done())
        await setup.ask(chat(stream=True))
        (entry,) = kept(setup)
        assert len(entry.events) == events
        assert entry.size_bytes == sum(map(event_bytes, entry.events))

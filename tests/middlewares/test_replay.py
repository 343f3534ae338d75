"""A kept answer given again: at once or with its pace, and to who reads it otherwise where nothing is lost by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.errors import UpstreamMalformed
from gateway.middlewares import replay
from gateway.stores.cache import Entry
from gateway.types import AudioChunk, Call, Done, Event, TextDelta, Units, UpstreamResponse, Usage, Verbatim
from tests.given import drained, target
from tests.middlewares.caching import chat, speech

USAGE = Usage(Units(3, output_tokens=1))


class Reader:
    """A plugin that reads one answer, and notes what it was given."""

    def __init__(self, *events: Event | BaseException) -> None:
        self.events = events
        self.read: list[tuple[bytes, str, bool, bool]] = []

    async def parse(self, given: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        data = b"".join([chunk async for chunk in response.chunks])
        self.read.append((data, response.headers["content-type"], given.stream, given.is_verbatim))
        for event in self.events:
            if isinstance(event, BaseException):
                raise event
            yield event


def entry(*events: Event, mode: str = "stream", **more: Any) -> Entry:
    return Entry(events, "first/model", 100, mode=mode, **more)


def asking(reader: Reader) -> Call:
    plugin = SimpleNamespace(parse=reader.parse)
    return chat(targets=(target("first/model", plugin=plugin),))


KEPT = entry(Verbatim(b"data: a\n\n", content_type="text/event-stream"), USAGE, Verbatim(b"data: [DONE]\n\n"), Done())


async def test_who_reads_it_the_same_way_gets_the_very_bytes() -> None:
    assert await replay.events_for(asking(Reader()), KEPT, "stream") == KEPT.events


async def test_who_reads_it_otherwise_gets_what_the_vendors_plugin_reads_in_the_bytes() -> None:
    reader = Reader(TextDelta("a"), USAGE, Done())
    assert await replay.events_for(asking(reader), KEPT, "whole") == [TextDelta("a"), USAGE, Done()]
    assert reader.read == [(b"data: a\n\ndata: [DONE]\n\n", "text/event-stream", True, False)]


async def test_usage_that_is_not_among_the_bytes_is_told_all_the_same() -> None:
    found = await replay.events_for(asking(Reader(TextDelta("a"), Done())), KEPT, "whole")
    assert found == [TextDelta("a"), USAGE, Done()]


@pytest.mark.parametrize(
    "events",
    [
        (TextDelta("a"),),  # without an end
        (UpstreamMalformed("no"),),
        (TextDelta("a"), ValueError("no")),
        (Verbatim(b"a"), Done()),
    ],
)
async def test_what_cannot_be_read_without_a_loss_is_not_given(events: tuple[Event | BaseException, ...]) -> None:
    assert await replay.events_for(asking(Reader(*events)), KEPT, "whole") is None


async def test_bytes_of_a_target_that_is_no_longer_there_are_not_read() -> None:
    assert await replay.events_for(chat(targets=(target("other/model"),)), KEPT, "whole") is None


async def test_events_that_are_nobodys_bytes_are_read_either_way() -> None:
    kept = entry(TextDelta("a"), Done())
    assert await replay.events_for(chat(), kept, "whole") == kept.events


PACED = entry(TextDelta("a"), TextDelta("b"), Done(), offsets_ms=(0, 60, 120))


async def times(given: Call, kept: Entry, *, is_paced: bool) -> list[float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    found = replay.reply(given, kept, kept.events, "hit", age_s=1.9, is_paced=is_paced)
    return [loop.time() - began async for _ in found.events]


async def test_a_stream_comes_again_as_slowly_as_it_came() -> None:
    found = await times(chat(stream=True), PACED, is_paced=True)
    assert all(took >= wanted for took, wanted in zip(found, (0.0, 0.059, 0.119), strict=True))


@pytest.mark.parametrize(
    ("given", "kept", "is_paced"),
    [
        (chat(stream=True), PACED, False),
        (chat(stream=False), PACED, True),
        (chat(stream=True), entry(TextDelta("a"), Done()), True),  # of before the pace was kept
        (chat(stream=True, headers={"range": "bytes=0-1"}), PACED, True),
    ],
)
async def test_all_else_comes_at_once(
    given: Call, kept: Entry, is_paced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(delay_s: float) -> None:
        raise AssertionError(f"it waits {delay_s} s")

    monkeypatch.setattr(asyncio, "sleep", never)
    assert len(await times(given, kept, is_paced=is_paced)) == len(kept.events)


async def test_the_receipt_says_what_was_given() -> None:
    given = speech()
    kept = entry(AudioChunk(b"ID3"), Done(), headers={"x-gateway-dropped": "seed"}, etag='"e"')
    found = replay.reply(given, kept, kept.events, "stale", age_s=1.9, is_paced=False)
    assert await drained(found.events) == list(kept.events)
    receipt = given.receipt
    assert (receipt.cache, receipt.cost_nano_usd, receipt.etag) == ("stale", 0, '"e"')
    assert receipt.headers == {"x-gateway-dropped": "seed", "age": "1"}
    assert [(attempt.target, attempt.outcome) for attempt in receipt.attempts] == [("first/model", "cached")]


async def test_what_failed_before_a_stale_answer_was_given_is_still_paid_for() -> None:
    given = chat()
    given.receipt.cost_nano_usd = 7
    replay.reply(given, PACED, PACED.events, "stale", age_s=-1, is_paced=False)
    assert (given.receipt.cost_nano_usd, given.receipt.headers["age"]) == (7, "0")

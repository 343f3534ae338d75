"""The failures on request, and that a closed answer stops at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.errors import (
    UpstreamCut,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from gateway.types import AudioChunk, Body, Event, Speech, TextDelta
from plugins.sandbox import PLUGIN
from plugins.sandbox.options import OPTIONS_SCHEMA, Options, read_options
from tests.plugins.sandbox.harness import answer, call_for, chat, events, raw, recording

BODIES: list[Body] = [chat("hello there world"), Speech("hello there world", "nova", "wav")]


async def until_failure(body: Body, **options: Any) -> tuple[list[Event], BaseException | None]:
    """Return the events before an answer fails, and the failure; a stall is a TimeoutError."""
    found: list[Event] = []
    response = await answer(body, **options)
    try:
        async with asyncio.timeout(0.05):
            async for event in PLUGIN.parse(call_for(body), response):
                found.append(event)
    except (UpstreamCut, UpstreamMalformed, TimeoutError) as error:
        return found, error
    finally:
        await response.close()
    return found, None


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("retry_after_s", [None, 0, 7])
async def test_rate_limited(body: Body, retry_after_s: int | None) -> None:
    options = {} if retry_after_s is None else {"retry_after_s": retry_after_s}
    with pytest.raises(UpstreamRateLimited) as limited:
        await events(body, fault="rate_limited", **options)
    assert limited.value.retry_after_s == retry_after_s


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, UpstreamUnavailable), (503, UpstreamUnavailable), (404, UpstreamNotFound), (400, UpstreamRejected)],
)
async def test_server_error(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="the sandbox plays a broken server"):
        await events(chat("x"), fault="server_error", status=status)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    ("fault", "kind"), [("stall", TimeoutError), ("cut", UpstreamCut), ("malformed", UpstreamMalformed)]
)
@pytest.mark.parametrize("after_events", [0, 1, 3, 1000])
async def test_an_answer_breaks_off_after_its_events(body: Body, fault: str, kind: type, after_events: int) -> None:
    whole = await events(body)
    found, error = await until_failure(body, fault=fault, after_events=after_events)
    assert isinstance(error, kind)
    assert found == [event for event in whole if isinstance(event, TextDelta | AudioChunk)][:after_events]


async def test_a_transcription_breaks_off_too() -> None:
    data = b"".join(event.data for event in await events(BODIES[1]) if isinstance(event, AudioChunk))
    found, error = await until_failure(recording(data), fault="cut")
    assert len(found) == 1
    assert isinstance(error, UpstreamCut)


@pytest.mark.parametrize("body", BODIES)
async def test_a_refused_connection(body: Body) -> None:
    with pytest.raises(UpstreamUnreachable):
        await answer(body, fault="refuse")


@pytest.mark.parametrize("body", BODIES)
async def test_silence_ends_with_the_callers_patience(body: Body) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(answer(body, fault="silent"), 0.02)


@pytest.mark.parametrize("body", BODIES)
async def test_a_slow_first_event_comes_after_the_head(body: Body) -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    response = await answer(body, fault="slow_first", delay_s=0.06)
    assert (response.status, loop.time() - started_s < 0.03) == (200, True)
    first = await anext(PLUGIN.parse(call_for(body), response))
    assert isinstance(first, TextDelta | AudioChunk)
    assert loop.time() - started_s >= 0.06


async def test_chat_streams_at_its_rate() -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    await events(chat("abcd" * 50), tokens_per_s=500, first_delay_s=0.05)
    assert 0.149 <= loop.time() - started_s < 0.3


async def test_speech_streams_at_its_rate() -> None:
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    await events(Speech("fifteen chars.." * 4, "nova", "mp3"), realtime_factor=30)
    assert 0.12 <= loop.time() - started_s < 0.3


@pytest.mark.parametrize("options", [{"fault": "stall"}, {"tokens_per_s": 0.1}, {"first_delay_s": 60}])
async def test_closing_ends_a_waiting_answer_at_once(options: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    response = await answer(chat("hello there world"), **options)
    reading = asyncio.create_task(_count(response.chunks))
    await asyncio.sleep(0.01)
    closed_s = loop.time()
    await response.close()
    await response.close()
    await reading
    assert loop.time() - closed_s < 0.01
    assert asyncio.all_tasks() == before


async def test_a_closed_answer_sends_nothing() -> None:
    response = await answer(chat("hello"))
    await response.close()
    assert await _count(response.chunks) == 0


async def test_a_cancelled_reader_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    response = await answer(chat("hello"), fault="stall")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_count(response.chunks), 0.01)
    assert asyncio.all_tasks() == before


async def _count(chunks: Any) -> int:
    return len([chunk async for chunk in chunks])


async def test_a_long_answer_lets_others_run() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await raw(chat("abcd" * 500))
    task.cancel()
    assert turns >= 500


def test_every_option_is_in_the_schema_with_its_default() -> None:
    properties = OPTIONS_SCHEMA["properties"]
    assert set(properties) == set(Options.__dataclass_fields__)
    assert all("description" in entry for entry in properties.values())
    assert read_options({key: entry["default"] for key, entry in properties.items() if "default" in entry}) == Options()


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert repr(read_options({"status": 503.0, "delay_s": 1, "retry_after_s": 2.0})) == repr(
        Options(status=503, delay_s=1, retry_after_s=2)
    )


def test_an_error_that_is_not_the_sandboxes_own_is_still_an_error() -> None:
    assert isinstance(PLUGIN.parse_error(500, {}, b"<html>"), UpstreamUnavailable)
    assert PLUGIN.parse_error(418, {}, b"[]").message == "the sandbox answered with status 418"

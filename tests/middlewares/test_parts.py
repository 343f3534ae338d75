"""Parts of one call: in order whoever is first, bounded, made anew at their turn, ended with their reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from gateway.errors import GatewayError, UpstreamUnavailable
from gateway.middlewares.parts import AHEAD_BYTES, Parts
from gateway.types import Attempt, AudioChunk, Call, Done, Event, Reply, Speech, Units, Usage
from tests.given import speech_call

Answer = Sequence[Event | BaseException | asyncio.Event]


class Speakers:
    """Answers by the part's text; a list of answers has one for each time. Notes who was asked, and who was closed."""

    def __init__(self, answers: Mapping[str, list[Answer]]) -> None:
        self._answers = {text: list(each) for text, each in answers.items()}
        self.asked: list[str] = []
        self.closed: list[str] = []
        self.gave: list[str] = []

    async def handler(self, call: Call) -> Reply:
        assert isinstance(call.body, Speech)
        text = call.body.text
        self.asked.append(text)
        attempt = Attempt("vendor/model", units=Units(characters=len(text)), cost_nano_usd=1, started_s=1.0)
        call.receipt.attempts.append(attempt)
        call.receipt.answered = attempt
        call.receipt.cost_nano_usd = 10

        async def closing() -> None:
            self.closed.append(text)

        return Reply(self._events(text, attempt, self._answers[text].pop(0)), (closing,))

    async def _events(self, text: str, attempt: Attempt, answer: Answer) -> AsyncIterator[Event]:
        for step in answer:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, BaseException):
                attempt.outcome = "failed"
                raise step
            else:
                self.gave.append(text)
                yield step
        attempt.outcome = "ok"


def sound(data: bytes) -> AudioChunk:
    return AudioChunk(data)


def good(data: bytes) -> Answer:
    return (sound(data), Usage(Units(characters=1)), Done())


def never(part: Call, error: GatewayError) -> None:
    return None


def parts_of(call: Call, texts: str, speakers: Speakers, ahead: int = 2, instead=never) -> Parts:  # type: ignore[no-untyped-def]
    calls = [speech_call(text) for text in texts]
    return Parts(call, calls, speakers.handler, instead, ahead=ahead)


async def heard(parts: Parts) -> bytes:
    return b"".join([event.data async for _, event in parts.events() if isinstance(event, AudioChunk)])


async def test_the_order_is_that_of_the_text_whoever_is_first() -> None:
    gate = asyncio.Event()
    speakers = Speakers({"a": [(gate, *good(b"A"))], "b": [good(b"B")], "c": [good(b"C")]})
    call = speech_call("abc")
    parts = parts_of(call, "abc", speakers)
    reading = asyncio.create_task(heard(parts))
    while speakers.closed != ["b", "c"]:
        await asyncio.sleep(0)
    gate.set()
    assert await reading == b"ABC"


async def test_all_that_was_used_is_the_calls() -> None:
    speakers = Speakers({name: [good(name.encode())] for name in "abcd"})
    call = speech_call("abcd")
    parts = parts_of(call, "abcd", speakers)
    await heard(parts)
    assert parts.usage == Usage(Units(characters=4))
    assert len(call.receipt.attempts) == 4
    assert call.receipt.cost_nano_usd == 40
    assert call.receipt.answered is call.receipt.attempts[0]


@pytest.mark.parametrize("ahead", [0, 1, 2])
async def test_no_more_are_begun_than_are_to_be_ahead(ahead: int) -> None:
    speakers = Speakers({name: [good(name.encode())] for name in "abcdef"})
    parts = parts_of(speech_call("x"), "abcdef", speakers, ahead)
    events = parts.events()
    await anext(events)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(speakers.asked) == ahead + 1
    await parts.close()


async def test_what_nobody_reads_is_bounded() -> None:
    piece = b"\0" * (AHEAD_BYTES // 4 + 1)
    gate = asyncio.Event()
    speakers = Speakers({"a": [(gate, *good(b"A"))], "b": [(*[sound(piece)] * 20, Done())]})
    parts = parts_of(speech_call("x"), "ab", speakers)
    reading = asyncio.create_task(heard(parts))
    for _ in range(100):
        await asyncio.sleep(0)
    assert speakers.gave.count("b") == 4
    gate.set()
    assert len(await reading) == 1 + 20 * len(piece)


async def test_what_failed_while_it_was_made_ahead_is_made_anew_at_its_turn() -> None:
    gate = asyncio.Event()
    broken = (sound(b"x"), UpstreamUnavailable("away"))
    speakers = Speakers({"a": [(gate, *good(b"A"))], "b": [broken, good(b"B")], "c": [good(b"C")]})
    call = speech_call("abc")
    reading = asyncio.create_task(heard(parts_of(call, "abc", speakers)))
    while "c" not in speakers.closed:
        await asyncio.sleep(0)
    gate.set()
    assert await reading == b"ABC"
    assert [attempt.outcome for attempt in call.receipt.attempts] == ["ok", "failed", "ok", "ok"]


async def test_a_part_that_fails_twice_fails_the_call_and_is_the_one_that_is_told_of() -> None:
    gate = asyncio.Event()
    away = (UpstreamUnavailable("away"),)
    speakers = Speakers({"a": [(gate, *good(b"A"))], "b": [away, away], "c": [good(b"C")]})
    call = speech_call("abc")
    parts = parts_of(call, "abc", speakers)
    reading = asyncio.create_task(heard(parts))
    while "c" not in speakers.closed:
        await asyncio.sleep(0)
    gate.set()
    with pytest.raises(UpstreamUnavailable):
        await reading
    assert speakers.asked.count("b") == 2
    assert call.receipt.answered is not None
    assert call.receipt.answered.outcome == "failed"
    await parts.close()
    assert call.receipt.cost_nano_usd == 40


async def test_a_part_may_be_followed_by_smaller_ones_in_its_place() -> None:
    call = speech_call("abc")
    speakers = Speakers(
        {
            "a": [good(b"A")],
            "b": [(UpstreamUnavailable("away"),)] * 2,
            "c": [good(b"C")],
            "x": [good(b"1")],
            "y": [good(b"2")],
        }
    )

    def smaller(part: Call, error: GatewayError) -> list[Call]:
        return [speech_call(text) for text in "xy"]

    assert await heard(parts_of(call, "abc", speakers, instead=smaller)) == b"A12C"


async def test_after_its_first_sound_a_part_is_not_made_anew() -> None:
    gate = asyncio.Event()
    speakers = Speakers({"a": [(sound(b"A"), gate, UpstreamUnavailable("away"))]})
    parts = parts_of(speech_call("a"), "a", speakers)
    events = parts.events()
    await anext(events)
    gate.set()
    with pytest.raises(UpstreamUnavailable):
        await anext(events)
    assert speakers.asked == ["a"]
    await parts.close()


async def test_a_reader_who_leaves_ends_all_of_them() -> None:
    gate = asyncio.Event()
    speakers = Speakers({name: [(sound(b"x"), gate)] for name in "abcd"})
    call = speech_call("abcd")
    parts = parts_of(call, "abcd", speakers)
    await anext(parts.events())
    while len(speakers.gave) < 3:
        await asyncio.sleep(0)
    await parts.close()
    assert sorted(speakers.closed) == ["a", "b", "c"]
    assert len(call.receipt.attempts) == 3
    assert call.receipt.cost_nano_usd == 30


async def test_a_fault_of_ours_is_not_taken_for_a_vendors() -> None:
    speakers = Speakers({"a": [(RuntimeError("ours"),)]})
    with pytest.raises(RuntimeError, match="ours"):
        await heard(parts_of(speech_call("a"), "a", speakers))

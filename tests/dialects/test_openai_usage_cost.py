"""The cost of a stream stands in the last usage that its client asked for, and no other byte changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from gateway.dialects.openai_chat_answer import encode_chat
from gateway.errors import UpstreamCut
from gateway.types import Attempt, Call, Chat, Done, Event, TextDelta, Units, Usage, Verbatim
from tests.given import call

TEXT = b'data: {"choices":[{"delta":{"content":"\\"usage\\": {"}}],"usage":null}\n\n'
USAGE = b'data: {"choices":[],"usage": {"prompt_tokens":1,"total_tokens":1.50}}\n\n'
PRICED = b'data: {"choices":[],"usage": {"cost_usd":0.000123,"prompt_tokens":1,"total_tokens":1.50}}\n\n'
DONE = b"data: [DONE]\n\n"


def asking(*, wants_usage: bool = True, is_unpriced: bool = False) -> Call:
    asked = call(Chat((), wants_usage=wants_usage), stream=True)
    asked.receipt.attempts.append(Attempt("vendor/model", is_unpriced=is_unpriced))
    return asked


async def streamed(asked: Call, *events: Event, cost: int | None = 123_000) -> list[bytes]:
    """Render events; their cost is known when they are over, as it is behind the link that prices them."""

    async def given() -> AsyncIterator[Event]:
        for event in events:
            yield event
        asked.receipt.cost_nano_usd = cost

    rendered = await encode_chat(asked, given())
    assert not isinstance(rendered.body, bytes)
    return [chunk async for chunk in rendered.body]


def verbatim(*chunks: bytes) -> list[Event]:
    return [Verbatim(chunk, chunk is TEXT or b'"finish_reason":"' in chunk) for chunk in chunks]


async def test_the_last_usage_has_the_cost_and_nothing_else_changes() -> None:
    assert await streamed(asking(), *verbatim(TEXT, TEXT, USAGE, DONE)) == [TEXT, TEXT, PRICED, DONE]


@pytest.mark.parametrize(
    ("asked", "cost"),
    [(asking(wants_usage=False), 123_000), (asking(), None), (asking(is_unpriced=True), 123_000)],
)
async def test_without_a_wish_or_a_known_cost_every_byte_is_the_vendors(asked: Call, cost: int | None) -> None:
    assert await streamed(asked, *verbatim(TEXT, USAGE, DONE), cost=cost) == [TEXT, USAGE, DONE]


async def test_usage_in_the_midst_is_passed_on_as_it_is() -> None:
    assert await streamed(asking(), *verbatim(USAGE, TEXT, USAGE, DONE)) == [USAGE, TEXT, PRICED, DONE]


async def test_usage_beside_the_reason_to_end_has_the_cost() -> None:
    last = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"x":{"usage":{"a":1}},"usage":{"a":1}}\n\n'
    priced = last.replace(b',"usage":{"a"', b',"usage":{"cost_usd":0.000123,"a"')
    assert await streamed(asking(), *verbatim(TEXT, last, DONE)) == [TEXT, priced, DONE]


@pytest.mark.parametrize(
    "odd",
    [
        b'data: {"choices":[],"usage":{}}\n\n',
        b'data: {"choices":[],"x":{"usage":{"a":1}}}\n\n',
        b'data: {"choices":[],"usage":{"a":1,"cost_usd":2}}\n\n',
    ],
)
async def test_a_usage_that_cannot_take_it_stays_as_it_is(odd: bytes) -> None:
    assert await streamed(asking(), *verbatim(TEXT, odd, DONE)) == [TEXT, odd, DONE]


async def test_what_was_held_back_goes_out_before_a_stream_breaks() -> None:
    async def breaking() -> AsyncIterator[Event]:
        for event in verbatim(TEXT, USAGE):
            yield event
        raise UpstreamCut("cut")

    rendered = await encode_chat(asking(), breaking())
    assert not isinstance(rendered.body, bytes)
    body = aiter(rendered.body)
    assert [await anext(body), await anext(body)] == [TEXT, USAGE]
    with pytest.raises(UpstreamCut):
        await anext(body)


@pytest.mark.parametrize(("wants_usage", "cost", "said"), [(True, 123_000, 0.000123), (True, None, None)])
async def test_a_translated_stream_ends_with_its_cost(wants_usage: bool, cost: int | None, said: float | None) -> None:
    asked = asking(wants_usage=wants_usage)
    chunks = await streamed(asked, TextDelta("a"), Usage(Units(1, output_tokens=1)), Done(), cost=cost)
    usage = json.loads(chunks[-2][6:])["usage"]
    assert usage["prompt_tokens"] == 1
    assert usage.get("cost_usd") == said

"""What did it take: each attempt is metered by what its vendor said, else by what was seen, and settled once."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest

from gateway.chain import close
from gateway.errors import UpstreamCut, UpstreamUnreachable
from gateway.middlewares.cost import Meter
from gateway.middlewares.estimate import input_tokens, text_input
from gateway.stores.calibration import Calibration
from gateway.types import (
    Attempt,
    AudioChunk,
    Body,
    Call,
    Change,
    Chat,
    Done,
    Embeddings,
    Event,
    Handler,
    Image,
    Message,
    Price,
    Reply,
    Speech,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Units,
    Usage,
    Verbatim,
)
from tests.given import HELLO, Closed, attempting, call, drained, reply, speech_call, target

PRICED = target("vendor/model", price=Price(input_per_mtok=2_000_000, output_per_mtok=5_000_000, per_mchar=3_000_000))
SAID = Units(input_tokens=100, output_tokens=10)
SAID_COST = 250


def asking(*, is_priced: bool = True, stream: bool = True) -> Call:
    """Return a call whose attempt failover has opened."""
    return attempting(call(at=PRICED if is_priced else target(), stream=stream))


def answering(*events: Event | BaseException | float, closer: Closed | None = None) -> Handler:
    async def handler(asked: Call) -> Reply:
        return reply(*events, closers=(closer or Closed(),))

    return handler


def attempt_of(asked: Call) -> Attempt:
    assert asked.receipt.last is not None
    return asked.receipt.last


async def test_the_vendors_own_usage_is_priced() -> None:
    asked = asking()
    answer = await Meter(Calibration())(asked, answering(TextDelta("a"), Usage(SAID), Done()))
    assert await drained(answer.events) == [TextDelta("a"), Usage(SAID), Done()]
    attempt = attempt_of(asked)
    assert (attempt.units, attempt.is_estimated, attempt.cost_nano_usd) == (SAID, False, SAID_COST)
    assert asked.receipt.cost_nano_usd == SAID_COST


@pytest.mark.parametrize(("now_s", "cost"), [(999.0, 1), (1_000.0, 2)])
async def test_an_attempt_is_priced_as_of_when_it_ends(now_s: float, cost: int) -> None:
    price = Price(per_request=1, changes=(Change(1_000.0, Price(per_request=2)),))
    asked = attempting(call(at=target("vendor/model", price=price)))
    await drained((await Meter(Calibration(), lambda: now_s)(asked, answering(Usage(SAID), Done()))).events)
    assert attempt_of(asked).cost_nano_usd == cost


async def test_the_last_usage_counts() -> None:
    asked = asking()
    await drained(
        (await Meter(Calibration())(asked, answering(Usage(Units(1)), Usage(Units(50)), Usage(SAID), Done()))).events
    )
    assert attempt_of(asked).units == SAID


async def test_the_cost_is_known_when_the_last_event_was_read() -> None:
    """A plain answer's headers carry it."""
    asked = asking()
    answer = await Meter(Calibration())(asked, answering(TextDelta("a"), Usage(SAID), Done()))
    await drained(answer.events)
    assert asked.receipt.cost_nano_usd == SAID_COST
    await close(answer)
    assert asked.receipt.cost_nano_usd == SAID_COST


@pytest.mark.parametrize("times", [1, 2, 5])
@pytest.mark.parametrize("is_read", [True, False])
async def test_an_attempt_is_settled_once_however_often_it_is_closed(times: int, is_read: bool) -> None:
    asked = asking()
    answer = await Meter(Calibration())(asked, answering(Usage(SAID), TextDelta("a"), Done()))
    await (drained(answer.events) if is_read else anext(answer.events))
    for _ in range(times):
        await close(answer)
    assert asked.receipt.cost_nano_usd == SAID_COST


CONTENT: list[Event] = [TextDelta("abc"), ThinkingDelta("abc"), ToolDelta(0, "abc"), Verbatim(b"abc")]


@pytest.mark.parametrize("content", CONTENT, ids=lambda event: type(event).__name__)
async def test_without_the_vendors_usage_what_was_seen_is_estimated_and_said_so(content: Event) -> None:
    asked = asking()
    await drained((await Meter(Calibration())(asked, answering(*[content] * 8, Done()))).events)
    attempt = attempt_of(asked)
    assert attempt.is_estimated
    assert attempt.units == Units(input_tokens=input_tokens(HELLO), output_tokens=8)
    assert attempt.cost_nano_usd == 2 * input_tokens(HELLO) + 5 * 8


async def test_a_plain_answer_is_estimated_by_its_bytes() -> None:
    asked = asking(stream=False)
    await drained(
        (await Meter(Calibration())(asked, answering(TextDelta("語" * 8), ToolDelta(0, "äöüß"), Done()))).events
    )
    assert attempt_of(asked).units.output_tokens == 8  # 32 bytes


async def test_what_is_no_content_is_not_estimated() -> None:
    asked = asking()
    await drained(
        (await Meter(Calibration())(asked, answering(Verbatim(b": ping\n\n", is_content=False), Done()))).events
    )
    assert attempt_of(asked).units.output_tokens == 0


async def test_a_cut_answer_is_charged_for_what_was_seen() -> None:
    """Pain 15."""
    asked = asking()
    answer = await Meter(Calibration())(asked, answering(TextDelta("a"), TextDelta("b"), UpstreamCut("cut")))
    with pytest.raises(UpstreamCut):
        await drained(answer.events)
    await close(answer)
    attempt = attempt_of(asked)
    assert attempt.is_estimated
    assert attempt.units.output_tokens == 2
    assert asked.receipt.cost_nano_usd == attempt.cost_nano_usd != 0


async def test_an_attempt_whose_client_left_is_charged_for_what_was_seen() -> None:
    """Pain 15."""
    asked = asking()
    answer = await Meter(Calibration())(asked, answering(TextDelta("a"), 60.0, TextDelta("b"), Done()))
    await anext(answer.events)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(drained(answer.events), 0.01)
    await close(answer)
    assert attempt_of(asked).units.output_tokens == 1
    assert attempt_of(asked).is_estimated


async def test_a_reply_that_nobody_read_is_charged_its_input() -> None:
    asked = asking()
    await close(await Meter(Calibration())(asked, answering(TextDelta("a"), Done())))
    assert attempt_of(asked).units == Units(input_tokens=input_tokens(HELLO))


async def test_usage_that_is_itself_an_estimate_counts_at_least_what_was_seen() -> None:
    asked = asking()
    early = Usage(Units(100, output_tokens=1), is_estimated=True)
    answer = await Meter(Calibration())(asked, answering(early, *[TextDelta("a")] * 5, UpstreamCut("cut")))
    with pytest.raises(UpstreamCut):
        await drained(answer.events)
    await close(answer)
    assert attempt_of(asked).units == Units(100, output_tokens=5)
    assert attempt_of(asked).is_estimated


async def test_an_attempt_that_never_opened_costs_nothing() -> None:
    asked = asking()

    async def unreachable(given: Call) -> Reply:
        raise UpstreamUnreachable("no connection")

    with pytest.raises(UpstreamUnreachable):
        await Meter(Calibration())(asked, unreachable)
    assert attempt_of(asked).cost_nano_usd is None
    assert asked.receipt.cost_nano_usd is None


async def test_attempts_add_up_on_the_receipt() -> None:
    asked = asking()
    await close(await Meter(Calibration())(asked, answering(Usage(SAID))))  # failed over before anybody read it
    first = asked.receipt.cost_nano_usd
    asked = attempting(asked)
    await drained((await Meter(Calibration())(asked, answering(Usage(SAID), Done()))).events)
    assert first is not None
    assert asked.receipt.cost_nano_usd == first + SAID_COST
    assert [attempt.cost_nano_usd for attempt in asked.receipt.attempts] == [first, SAID_COST]


# ---------------------------------------------------------------- what is learnt

TEXT = "Good morning, and how are you? " * 40


def chat_of(*parts: Text | Image) -> Chat:
    return Chat((Message("user", parts),))


async def factor_after(body: Body, *events: Event, times: int = 1) -> float:
    """Return the factor of the target after so many attempts that were answered so."""
    calibration = Calibration()
    for _ in range(times):
        asked = call(body, at=PRICED, stream=True)
        asked = attempting(asked)
        await drained((await Meter(calibration)(asked, answering(*events, Done()))).events)
    return calibration.factor("vendor/model")


@pytest.mark.parametrize("body", [chat_of(Text(TEXT)), Embeddings((TEXT,))], ids=["chat", "embeddings"])
async def test_estimates_follow_what_the_vendor_counted(body: Body) -> None:
    given = text_input(body)
    assert given is not None
    twice = Usage(Units(input_tokens=2 * given.text_tokens))
    assert await factor_after(body, twice) == pytest.approx(1.1)
    assert await factor_after(body, twice, times=60) == pytest.approx(2.0, abs=0.01)


async def test_what_was_learnt_is_charged_where_a_vendor_does_not_report() -> None:
    body, calibration = chat_of(Text(TEXT)), Calibration()
    plain = input_tokens(body)
    calibration.learn("vendor/model", plain, 2 * plain)
    asked = call(body, at=PRICED, stream=True)
    asked = attempting(asked)
    await drained((await Meter(calibration)(asked, answering(TextDelta("a"), Done()))).events)
    assert attempt_of(asked).units.input_tokens == math.ceil(plain * 1.1)


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (chat_of(Text(TEXT)), [TextDelta("a")]),
        (chat_of(Text(TEXT)), [Usage(SAID, is_estimated=True)]),
        (chat_of(Text(TEXT)), [Usage(Units(output_tokens=10))]),
        (chat_of(Text(TEXT), Image(url="http://x")), [Usage(SAID)]),
        (chat_of(Text("hello")), [Usage(SAID)]),
        (Embeddings((tuple(range(500)),)), [Usage(SAID)]),
        (Speech(TEXT, "nova"), [Usage(SAID)]),
    ],
    ids=["no usage", "cut off", "no input counted", "an image", "short", "token ids", "speech"],
)
async def test_nothing_is_learnt_from(body: Body, events: list[Event]) -> None:
    assert await factor_after(body, *events) == 1.0


# ---------------------------------------------------------------- prices and ends


async def test_a_model_without_price_has_units_and_no_cost() -> None:
    asked = asking(is_priced=False)
    await drained((await Meter(Calibration())(asked, answering(Usage(SAID), Done()))).events)
    assert (attempt_of(asked).units, attempt_of(asked).cost_nano_usd, asked.receipt.cost_nano_usd) == (SAID, None, None)
    assert attempt_of(asked).is_unpriced


async def test_an_unknown_price_is_known_before_the_first_event() -> None:
    asked = asking(is_priced=False)
    answer = await Meter(Calibration())(asked, answering(TextDelta("a"), Done()))
    assert attempt_of(asked).is_unpriced
    await close(answer)


async def test_neither_a_price_nor_counting_tokens_nor_a_refusal_is_unpriced() -> None:
    async def refusing(asked: Call) -> Reply:
        raise UpstreamUnreachable("nobody is there")

    priced, counting, refused = asking(), replace(asking(is_priced=False), operation="tokens"), asking(is_priced=False)
    for asked in (priced, counting):
        await drained((await Meter(Calibration())(asked, answering(Usage(SAID), Done()))).events)
    with pytest.raises(UpstreamUnreachable):
        await Meter(Calibration())(refused, refusing)
    assert not any(attempt_of(asked).is_unpriced for asked in (priced, counting, refused))


async def test_speech_is_charged_by_the_character() -> None:
    """Pain 7."""
    asked = speech_call("Good morning.", at=PRICED)
    asked = attempting(asked)
    answer = await Meter(Calibration())(asked, answering(AudioChunk(b"x"), UpstreamCut("cut")))
    with pytest.raises(UpstreamCut):
        await drained(answer.events)
    await close(answer)
    assert attempt_of(asked).cost_nano_usd == 3 * len("Good morning.")


async def test_the_upstream_is_closed_before_the_attempt_is_settled() -> None:
    asked, closed = asking(), Closed()
    answer = await Meter(Calibration())(asked, answering(TextDelta("a"), closer=closed))
    assert len(answer.closers) == 2
    await answer.closers[-1]()
    assert closed.count == 1
    assert attempt_of(asked).cost_nano_usd is None
    await close(answer)
    assert attempt_of(asked).cost_nano_usd is not None


async def test_a_chain_without_failover_is_a_fault_of_ours() -> None:
    with pytest.raises(RuntimeError, match="failover"):
        await Meter(Calibration())(call(), answering())

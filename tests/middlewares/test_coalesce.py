"""Is somebody asking the same: one call for all of one tenant, as long as one of them waits, and no failure shared."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.chain import close
from gateway.errors import GatewayError, InvalidRequest, RateLimited, UpstreamCut, UpstreamTimeout, UpstreamUnavailable
from gateway.types import AudioChunk, Call, Client, Done, Event, Recording, TextDelta, Verbatim
from tests.given import drained
from tests.middlewares.caching import chat, recording
from tests.middlewares.sharing import Caller, Vendor

A, B, C = TextDelta("a"), TextDelta("b"), TextDelta("c")
ALL: list[Event] = [A, B, C, Done()]


async def idle() -> None:
    """Let everything run that can."""
    for _ in range(30):
        await asyncio.sleep(0)


async def test_identical_calls_in_flight_are_one_and_the_first_pays() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(20)]
    await vendor.asked(1)
    await idle()
    vendor.feed(A, B, C, Done(), None)
    assert [await caller.result() for caller in callers] == [ALL] * 20
    assert len(vendor.calls) == 1
    assert vendor.closed[0].count == 1
    assert [caller.call.receipt.cache for caller in callers] == ["off"] + ["coalesced"] * 19
    assert callers[0].outcomes == [("ok", 7)]
    assert {tuple(caller.outcomes) for caller in callers[1:]} == {(("coalesced", 0),)}
    assert [caller.call.receipt.cost_nano_usd for caller in callers] == [7] + [0] * 19
    assert not vendor.services.flights


async def test_who_comes_late_gets_the_beginning() -> None:
    vendor = Vendor()
    first = Caller(vendor)
    await vendor.asked(1)
    vendor.feed(A, B)
    await first.has(2)
    late = Caller(vendor)
    await late.has(2)
    assert late.got == [A, B]  # while the answer is not over
    vendor.feed(C, Done(), None)
    assert await late.result() == await first.result() == ALL
    assert len(vendor.calls) == 1


async def test_who_comes_after_the_end_asks_again() -> None:
    vendor = Vendor()
    for count in (1, 2):
        caller = Caller(vendor)
        await vendor.asked(count)
        vendor.feed(*ALL, None)
        assert await caller.result() == ALL


@pytest.mark.parametrize(
    "other",
    [
        {"client": Client("key-1", "tenant-2")},
        {"client": Client("ip:1", "tenant-1", is_anonymous=True)},
        {"raw": b'{"messages":[],"temperature":1}'},
        {"stream": True},  # whole answers and streams have other bytes
        {"headers": {"cache-control": "no-cache"}},
        {"headers": {"cache-control": "no-store"}},
    ],
)
@pytest.mark.parametrize("has_cache", [True, False])
async def test_nobody_joins_a_stranger_or_another_request(other: dict[str, Any], has_cache: bool) -> None:
    vendor = Vendor(has_cache=has_cache)
    callers = [Caller(vendor), Caller(vendor, chat(**other))]
    await vendor.asked(2)
    vendor.feed(A, None, to=0)
    vendor.feed(B, None, to=1)
    got = [await caller.result() for caller in callers]
    assert got in ([[A], [B]], [[B], [A]])


async def test_the_call_goes_on_while_anybody_waits_and_ends_with_the_last() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(3)]
    await vendor.asked(1)
    vendor.feed(A)
    for caller in callers:
        await caller.has(1)
    await callers[0].leave()  # the one who began it
    await callers[2].leave()
    assert vendor.closed[0].count == 0
    vendor.feed(B)
    await callers[1].has(2)
    await callers[1].leave()
    assert vendor.closed[0].count == 1  # closed when the leaving is done, not some time later
    assert not vendor.services.flights


async def test_the_last_to_leave_before_there_is_an_answer_cancels_the_asking() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(2)]
    await vendor.asked(1)
    await idle()
    await callers[0].leave()
    assert vendor.closed[0].count == 0
    await callers[1].leave()
    assert vendor.closed[0].count == 1


async def test_who_joins_after_the_first_left_is_given_the_beginning_too() -> None:
    vendor = Vendor()
    first, second = Caller(vendor), Caller(vendor)
    await vendor.asked(1)
    vendor.feed(A, B)
    await second.has(2)
    await first.leave()
    late = Caller(vendor)
    await late.has(2)
    vendor.feed(C, Done(), None)
    assert await late.result() == await second.result() == ALL


async def test_where_the_payer_leaves_the_next_one_pays_all_of_it() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(3)]
    await vendor.asked(1)
    vendor.feed(A)
    for caller in callers:
        await caller.has(1)
    await callers[0].leave()
    vendor.feed(None)
    await callers[1].result()
    await callers[2].result()
    assert [caller.call.receipt.cost_nano_usd for caller in callers] == [0, 7, 0]
    assert callers[1].outcomes == [("ok", 7)]
    assert callers[0].outcomes == [("cancelled", 0)]
    assert callers[2].outcomes == [("coalesced", 0)]


async def test_where_all_leave_one_has_paid_for_what_was_asked() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(3)]
    await vendor.asked(1)
    await idle()
    for caller in callers:
        await caller.leave()
    outcomes = [outcome for caller in callers for outcome, _ in caller.outcomes]
    assert outcomes.count("aborted") == 1


# ---------------------------------------------------------------- failures


async def test_the_first_ones_failure_is_not_the_others() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(5)]
    await vendor.asked(1)
    await idle()
    vendor.feed(UpstreamUnavailable("down"))
    await vendor.asked(2)  # the others ask once more, together
    await idle()
    assert len(vendor.calls) == 2
    vendor.feed(A, None)
    with pytest.raises(UpstreamUnavailable):
        await callers[0].result()
    assert [await caller.result() for caller in callers[1:]] == [[A]] * 4
    assert sum(("ok", 7) in caller.outcomes for caller in callers) == 1


async def test_who_has_failed_twice_is_told() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(5)]
    for count in (1, 2):
        await vendor.asked(count)
        await idle()
        vendor.feed(UpstreamUnavailable(f"down {count}"))
    for caller in callers:
        with pytest.raises(UpstreamUnavailable):
            await caller.result()
    assert len(vendor.calls) == 2
    assert [caller.call.receipt.cache for caller in callers].count("coalesced") == 3


@pytest.mark.parametrize(
    ("error", "calls"), [(InvalidRequest("no such field"), 1), (RateLimited("your limit"), 2), (UpstreamCut("cut"), 2)]
)
async def test_what_is_wrong_with_the_request_is_wrong_for_all(error: GatewayError, calls: int) -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(3)]
    for count in range(1, calls + 1):
        await vendor.asked(count)
        await idle()
        vendor.feed(error)
    for caller in callers:
        with pytest.raises(type(error)):
            await caller.result()
    assert len(vendor.calls) == calls


async def test_each_is_told_of_a_cut_after_what_came_before_it() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(3)]
    await vendor.asked(1)
    vendor.feed(A, UpstreamCut("cut"))
    errors = []
    for caller in callers:
        with pytest.raises(UpstreamCut) as raised:
            await caller.result()
        errors.append(raised.value)
        assert caller.got == [A]
        assert [outcome for outcome, _ in caller.outcomes] == ["upstream_cut"]
        assert caller.call.receipt.attempts[0].is_joined == (caller is not callers[0])
    assert len({id(error) for error in errors}) == 3  # what is added to one is not said to the others
    assert not vendor.services.flights


async def test_a_fault_in_the_gateway_ends_all_and_hangs_nobody() -> None:
    vendor = Vendor()
    callers = [Caller(vendor) for _ in range(2)]
    await vendor.asked(1)
    await idle()
    vendor.feed(RuntimeError("a bug"))
    for caller in callers:
        with pytest.raises(RuntimeError):
            await caller.result()


async def test_each_has_his_own_deadline() -> None:
    vendor = Vendor()
    now_s = asyncio.get_running_loop().time()
    hurried, patient = Caller(vendor, chat(deadline_s=now_s + 0.05)), Caller(vendor, chat(deadline_s=now_s + 60))
    await vendor.asked(1)
    with pytest.raises(UpstreamTimeout, match="the one it shares with others goes on"):
        await hurried.result()
    vendor.feed(*ALL, None)
    assert await patient.result() == ALL
    assert patient.call.receipt.cost_nano_usd == 7


# ---------------------------------------------------------------- readers of different speed


async def test_the_fastest_sets_the_pace_and_the_vendor_waits_for_him() -> None:
    vendor = Vendor()
    given = chat()
    slow = asyncio.ensure_future(vendor.handle(given))
    await vendor.asked(1)
    vendor.feed(*(AudioChunk(b"x" * 65_536) for _ in range(100)), None)
    reply = await slow
    await idle()
    assert vendor.made <= 6  # a quarter of a megabyte ahead
    assert len(await drained(reply.events)) == 100
    await close(reply)


async def test_who_cannot_keep_up_is_cut_off_and_the_others_go_on() -> None:
    vendor = Vendor(has_cache=True, max_entry_bytes=500_000)
    fast = Caller(vendor)
    slow = asyncio.ensure_future(vendor.handle(chat()))
    await vendor.asked(1)
    chunks = [Verbatim(bytes([number]) * 65_536) for number in range(50)]
    vendor.feed(*chunks, None)
    assert await fast.result() == chunks
    reply = await slow
    with pytest.raises(UpstreamCut, match="read too slowly"):
        await drained(reply.events)
    await close(reply)
    assert fast.call.receipt.cost_nano_usd == 7


async def test_an_answer_longer_than_the_buffer_can_no_longer_be_joined() -> None:
    vendor = Vendor(has_cache=True, max_entry_bytes=100_000)
    first = Caller(vendor)
    await vendor.asked(1)
    vendor.feed(Verbatim(b"x" * 200_000))
    await first.has(1)
    other = Caller(vendor)
    await vendor.asked(2)
    vendor.feed(A, None, to=0)
    vendor.feed(B, None, to=1)
    assert (await first.result())[-1] == A
    assert await other.result() == [B]


# ---------------------------------------------------------------- with a cache, and with files


async def test_what_is_shared_is_kept_once_and_then_given_to_all() -> None:
    vendor = Vendor(has_cache=True)
    callers = [Caller(vendor) for _ in range(3)]
    await vendor.asked(1)
    vendor.feed(*ALL, None)
    for caller in callers:
        await caller.result()
    again = Caller(vendor)
    assert await again.result() == [TextDelta("abc"), Done()]
    assert [caller.call.receipt.cache for caller in (*callers, again)] == ["miss", "coalesced", "coalesced", "hit"]


@pytest.mark.parametrize("size", [4, 1_048_576, 1_048_577])
async def test_a_recording_is_heard_whole_though_the_client_who_sent_it_has_left(tmp_path: Any, size: int) -> None:
    vendor = Vendor(dialect="openai.transcription")

    def sending(number: int) -> tuple[Call, Any]:
        file = open(tmp_path / f"{number}.wav", "w+b")  # noqa: SIM115
        file.write(b"R" * size)
        given = recording(b"R" * size)
        assert isinstance(given.body, Recording)
        upload = replace(given.body.audio, file=file)
        return replace(given, body=replace(given.body, audio=upload)), file

    (one, file_one), (two, file_two) = sending(1), sending(2)
    first = Caller(vendor, one)
    await vendor.asked(1)
    second = Caller(vendor, two)
    async with asyncio.timeout(10):
        while second.call.receipt.cache != "coalesced":
            await asyncio.sleep(0.001)
    await first.leave()
    file_one.close()  # as the server does when the request is over
    vendor.feed(A, None)
    assert await second.result() == [A]
    assert vendor.heard == [b"R" * size]
    file_two.close()

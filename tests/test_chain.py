"""Middlewares run in the order given, and whatever was opened is closed, newest first."""

from __future__ import annotations

import asyncio
from itertools import product

import pytest

from gateway.chain import close, compose
from gateway.types import Call, Handler, Middleware, Reply
from tests.given import Closed, call, reply


def noting(name: str, notes: list[str]) -> Middleware:
    async def middleware(asked: Call, handler: Handler) -> Reply:
        notes.append(f"{name} in")
        answer = await handler(asked)
        notes.append(f"{name} out")
        return answer

    return middleware


async def test_the_first_middleware_is_the_outermost() -> None:
    notes: list[str] = []

    async def innermost(asked: Call) -> Reply:
        notes.append("handler")
        return reply()

    await compose([noting("a", notes), noting("b", notes)], innermost)(call())
    assert notes == ["a in", "b in", "handler", "b out", "a out"]


async def test_no_middleware_leaves_the_handler() -> None:
    async def innermost(asked: Call) -> Reply:
        return reply()

    assert compose([], innermost) is innermost


async def test_a_middleware_may_answer_by_itself_or_call_twice() -> None:
    notes: list[str] = []

    async def innermost(asked: Call) -> Reply:
        notes.append("handler")
        return reply()

    async def alone(asked: Call, handler: Handler) -> Reply:
        return reply()

    async def twice(asked: Call, handler: Handler) -> Reply:
        await handler(asked)
        return await handler(asked)

    await compose([alone], innermost)(call())
    assert notes == []
    await compose([twice, twice], innermost)(call())
    assert notes == ["handler"] * 4


async def test_one_chain_serves_many_calls_at_once() -> None:
    async def innermost(asked: Call) -> Reply:
        await asyncio.sleep(0)
        asked.receipt.headers["x-seen"] = asked.model
        return reply()

    handler = compose([noting("a", []), noting("b", [])], innermost)
    calls = [call(model=f"m{index}") for index in range(20)]
    await asyncio.gather(*(handler(asked) for asked in calls))
    assert [asked.receipt.headers["x-seen"] for asked in calls] == [f"m{index}" for index in range(20)]


FAULTS: list[type[BaseException] | None] = [None, ValueError, asyncio.CancelledError, KeyboardInterrupt]


@pytest.mark.parametrize("faults", list(product(FAULTS, repeat=3)))
async def test_every_closer_runs_newest_first_whatever_the_others_raise(
    faults: tuple[type[BaseException] | None, ...],
) -> None:
    ran: list[int] = []

    def closer(index: int):  # type: ignore[no-untyped-def]
        async def run() -> None:
            ran.append(index)
            await asyncio.sleep(0)
            fault = faults[index]
            if fault is not None:
                raise fault(str(index))

        return run

    raised: BaseException | None = None
    try:
        await close(reply(closers=(closer(0), closer(1), closer(2))))
    except BaseException as error:
        raised = error
    assert ran == [2, 1, 0]
    newest = next((index for index in (2, 1, 0) if faults[index] is not None), None)
    assert (raised is None) == (newest is None)
    if raised is not None and newest is not None:
        assert (type(raised), str(raised)) == (faults[newest], str(newest))


async def test_the_rest_is_closed_when_the_closing_is_cancelled() -> None:
    first = Closed()

    async def slow() -> None:
        await asyncio.sleep(60)

    closing = asyncio.create_task(close(reply(closers=(first, slow))))
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert first.count == 1


async def test_a_reply_without_closers_closes() -> None:
    await close(reply())

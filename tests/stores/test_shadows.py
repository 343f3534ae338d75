"""Copies of calls in the background: bounded, owned, and given back however they end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.stores.shadows import Shadows


async def settled() -> None:
    """Let what is ready run, callbacks of what ended included."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_as_many_as_may_are_under_way_by_name_and_one_more_is_not_begun() -> None:
    shadows, gate, released = Shadows(), asyncio.Event(), []

    async def work() -> None:
        await gate.wait()

    assert [shadows.begin("a", 2, work(), lambda: released.append(1)) for _ in range(3)] == [True, True, False]
    assert shadows.begin("b", 1, work())
    assert (shadows.in_flight("a"), shadows.in_flight("b"), released) == (2, 1, [1])
    gate.set()
    await settled()
    assert (shadows.in_flight("a"), shadows.in_flight("b"), released) == (0, 0, [1, 1, 1])
    assert shadows.begin("a", 1, work())
    await settled()


async def test_the_end_of_the_process_ends_them_also_those_that_never_ran() -> None:
    shadows, ended, released = Shadows(), [], []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(1)

    shadows.begin("a", 9, work(), lambda: released.append("first"))
    await settled()
    shadows.begin("a", 9, work(), lambda: released.append("second"))  # not one step of it has run
    await shadows.aclose()
    await settled()
    assert (ended, sorted(released), shadows.in_flight("a")) == ([1], ["first", "second"], 0)
    await shadows.aclose()


async def test_a_fault_of_ours_is_in_the_log_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    shadows = Shadows()

    async def work() -> None:
        raise ZeroDivisionError("a fault")

    with caplog.at_level(logging.ERROR, "gateway"):
        assert shadows.begin("a", 1, work())
        await settled()
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info and record.exc_info[1]] == [
        ("a fault",)
    ]
    assert shadows.in_flight("a") == 0

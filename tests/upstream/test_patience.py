"""One timer bounds every wait of an answer; it is set again only when it rings."""

from __future__ import annotations

import asyncio

import pytest

from gateway.upstream.patience import Patience


class Timers:
    """How many timers were set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.count = 0
        set_timer = loop.call_at

        def counted(when: float, *rest: object, **more: object) -> asyncio.TimerHandle:
            self.count += 1
            return set_timer(when, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(loop, "call_at", counted)


async def soon(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def test_a_hundred_waits_take_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    patience, timers = Patience(loop), Timers(monkeypatch)
    assert [await patience.wait(soon(number), loop.time() + 60) for number in range(100)] == list(range(100))
    assert timers.count == 1
    patience.stop()


async def test_a_wait_that_is_too_long_ends_then_and_not_when_an_earlier_one_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    patience = Patience(loop)
    await patience.wait(soon(1), loop.time() + 0.02)
    started_s = loop.time()
    with pytest.raises(TimeoutError):
        await patience.wait(loop.create_future(), started_s + 0.1)
    assert loop.time() - started_s >= 0.1
    with pytest.raises(TimeoutError):  # a limit that is earlier than the one before counts too
        await patience.wait(loop.create_future(), loop.time() + 0.01)
    assert await patience.wait(soon(2), loop.time() + 60) == 2
    patience.stop()


async def test_a_limit_that_has_passed_ends_the_next_wait_at_once() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError):
        await Patience(loop).wait(loop.create_future(), loop.time() - 1)


async def test_who_is_cancelled_is_cancelled_and_not_late() -> None:
    loop = asyncio.get_running_loop()
    patience = Patience(loop)
    waiting = asyncio.create_task(patience.wait(loop.create_future(), loop.time() + 60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    patience.stop()


async def test_a_timer_that_rings_while_nobody_waits_harms_nobody() -> None:
    loop = asyncio.get_running_loop()
    patience = Patience(loop)
    await patience.wait(soon(1), loop.time() + 0.01)
    await asyncio.sleep(0.03)
    assert await patience.wait(soon(2), loop.time() + 60) == 2
    patience.stop()


async def test_an_error_passes_as_it_is() -> None:
    async def broken() -> None:
        raise ValueError("broken")

    loop = asyncio.get_running_loop()
    patience = Patience(loop)
    with pytest.raises(ValueError, match="broken"):
        await patience.wait(broken(), loop.time() + 60)
    patience.stop()

"""A task is over when it was ended, also one that loses a cancellation."""

from __future__ import annotations

import asyncio

from gateway.stores.ending import end


async def test_a_task_that_takes_its_first_cancellations_for_something_else_is_ended() -> None:
    seen = 0

    async def deaf() -> None:
        nonlocal seen
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen += 1
                if seen == 3:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(task)
    assert (task.cancelled(), seen) == (True, 3)


async def test_a_task_that_has_failed_is_over_and_nobody_is_told_a_second_time() -> None:
    async def failing() -> None:
        raise ValueError("told already")

    task = asyncio.create_task(failing())
    await asyncio.wait((task,))
    await end(task)
    assert task.done()

"""How a task that runs for as long as its store does is ended."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 0.2  # for what it does at its end, such as rolling back


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and wait until it is over.

    Again where that has no effect: a library that meets a cancellation as a timeout of its own ends takes it for that
    timeout, as redis-py does, and `asyncio.wait_for` loses it before Python 3.12.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=AGAIN_S)
    if not task.cancelled():
        task.exception()  # has been seen

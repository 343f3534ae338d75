"""Steps of an answer, each due at a time after its start, and the thin part that waits for them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an answer, due `at_s` seconds after its start, `math.inf` for never. Usage is no content."""

    at_s: float
    data: bytes = field(repr=False)
    is_content: bool = True


class Paced:
    """Yields the data of steps when they are due. Once closed it ends at once, even in the middle of a pause."""

    def __init__(self, steps: Iterator[Step]) -> None:
        self._steps = steps
        self._closed = asyncio.Event()
        self._started_s: float | None = None

    def __aiter__(self) -> Paced:
        return self

    async def __anext__(self) -> bytes:
        now_s = asyncio.get_running_loop().time()
        if self._started_s is None:
            self._started_s = now_s
        step = None if self._closed.is_set() else next(self._steps, None)
        if step is None:
            raise StopAsyncIteration
        await self._pause(self._started_s + step.at_s - now_s)
        if self._closed.is_set():
            raise StopAsyncIteration
        return step.data

    async def close(self) -> None:
        """Stop; may be called by another task and more than once."""
        self._closed.set()
        self._steps = iter(())

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)  # a long answer at full speed still lets others run
            return
        wake_s = None if math.isinf(seconds) else seconds
        try:
            async with asyncio.timeout(wake_s):
                await self._closed.wait()
        except TimeoutError:
            return  # the pause is over: the step is due

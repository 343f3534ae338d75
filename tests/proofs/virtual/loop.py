"""An event loop whose clock jumps to the next timer, and whose connections are queues in memory.

Nothing waits for anything real: the selector selects nothing, what would run in a thread runs at once and is told of a
little later, and `create_connection` finds what `create_server` listens to. That nothing is left to happen is an error.
"""

from __future__ import annotations

import asyncio
import gc
import random
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock

import aiohappyeyeballs
import aiohttp.connector

from tests.proofs.virtual.net import Listening, Net

T = TypeVar("T")

EPOCH_S = 1_795_608_000.0  # 2026-11-25T12:00:00Z, when every run begins
THREAD_S = (0.0, 0.002)  # until the loop hears of what a thread has done


class Stuck(RuntimeError):
    """Something is waited for that can never happen."""


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, seed: int) -> None:
        self.now_s = 1000.0
        super().__init__(_Jumping(self))
        self.chance = random.Random(f"loop {seed}")
        self.net = Net(self, self.chance)
        self.faults: list[str] = []
        self.set_exception_handler(lambda _, context: self.faults.append(_described(context)))

    def time(self) -> float:
        return self.now_s

    def wall_time(self) -> float:
        return EPOCH_S + self.now_s

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future: asyncio.Future[T] = self.create_future()
        try:
            done = func(*args)
        except Exception as error:
            self.call_later(self.chance.uniform(*THREAD_S), _fail, future, error)
        else:
            self.call_later(self.chance.uniform(*THREAD_S), _succeed, future, done)
        return future

    async def create_connection(self, factory: Any, *args: Any, sock: Any = None, **options: Any) -> Any:  # type: ignore[override]
        return self.net.connected(factory, sock.port)

    async def create_server(self, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Listening:  # type: ignore[override]
        return self.net.listen(factory, port)


class _Jumping(selectors.SelectSelector):
    """Has nothing to select, and moves the clock instead of waiting."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck("everybody waits, and no timer is set")
        self._loop.now_s += max(0.0, timeout)
        return []


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], seed: int) -> T:
    """Return what `main` does in a loop of its own, and raise where it leaves tasks behind."""
    loop = VirtualLoop(seed)
    with _all_clocks(loop):
        try:
            asyncio.set_event_loop(loop)
            done = loop.run_until_complete(main(loop))
            left = [task.get_name() for task in asyncio.all_tasks(loop)]
            if left:
                loop.faults.append(f"tasks that nobody ended: {left}")
            return done
        finally:
            _end(loop)


def _end(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()


@contextmanager
def _all_clocks(loop: VirtualLoop) -> Iterator[None]:
    """Let everything that asks for the time be told the loop's, and all chance come from its seed.

    The collector of garbage runs when it likes, and with it what ends an answer that nobody reads: not in between.
    """
    state = random.getstate()
    random.seed(loop.chance.random())
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with (
            mock.patch.object(time, "monotonic", loop.time),
            mock.patch.object(time, "perf_counter", loop.time),
            mock.patch.object(time, "time", loop.wall_time),
            mock.patch.object(aiohttp.connector, "monotonic", loop.time),
            mock.patch.object(aiohappyeyeballs, "start_connection", loop.net.dial),
        ):
            yield
    finally:
        random.setstate(state)
        if was_enabled:
            gc.enable()


def _succeed(future: asyncio.Future[T], done: T) -> None:
    if not future.done():
        future.set_result(done)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _described(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message')}: {type(error).__name__}: {error}" if error else str(context.get("message"))

"""Something that happens at one await of a request: at the n-th time that its coroutine gives control back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Interrupted:
    """Awaits `coroutine`, and calls `happen` just before its wait number `at`, counted from 0.

    The event loop sees the same futures as ever, so that a task which is cancelled there is cancelled as by anybody.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], at: int, happen: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._at = at
        self._happen = happen
        self.waits = 0

    @property
    def has_happened(self) -> bool:
        return self.waits > self._at

    def __await__(self) -> Generator[Any, Any, Any]:
        resume: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731
        while True:
            try:
                future = resume()
            except StopIteration as end:
                return end.value
            if self.waits == self._at:
                self._happen()
            self.waits += 1
            try:
                value = yield future
            except BaseException as error:
                resume = _throwing(self._coroutine, error)
            else:
                resume = _sending(self._coroutine, value)


def _sending(coroutine: Coroutine[Any, Any, Any], value: Any) -> Callable[[], Any]:
    return lambda: coroutine.send(value)


def _throwing(coroutine: Coroutine[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: coroutine.throw(error)


def cancel() -> None:
    """What whoever awaits the request does when he wants it no more."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()

"""The parts of one call: each a call of its own for the links inside, made ahead of who reads, given in their order.

Each has a receipt of its own, so that parts at the same time do not take each other's attempts for theirs; together
they are the call's. What is made ahead is bounded in number and in bytes, and ends with its reader.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from gateway.chain import close
from gateway.errors import GatewayError
from gateway.middlewares import within
from gateway.middlewares.estimate import summed
from gateway.stores.cache import event_bytes
from gateway.types import Call, Event, Handler, Receipt, Usage

AHEAD_BYTES = 4_194_304  # of one part that nobody reads yet: 87 s of samples at 24 kHz
_OF_A_PART = frozenset({"x-gateway-converted", "x-gateway-cache-key", "age"})  # headers that say nothing of the whole

# Returns what is done in the place of a part that failed before its first content; None: it has failed.
Instead = Callable[[Call, GatewayError], Sequence[Call] | None]


class Parts:
    """`ahead` is how many are made beside the one that is read; `calls` are taken as they are, but for the receipt.

    Where more `follow` they are added until `end`, while those that are there are read.
    """

    def __init__(
        self,
        call: Call,
        calls: Sequence[Call],
        handler: Handler,
        instead: Instead,
        *,
        ahead: int,
        follow: bool = False,
    ) -> None:
        self._receipt = call.receipt
        self._before = (tuple(call.receipt.attempts), call.receipt.cost_nano_usd)
        self._handler = handler
        self._instead = instead
        self._ahead = ahead
        self._slots = deque(_Slot(each) for each in calls)
        self._receipts: list[Receipt] = []
        self._follow = follow
        self._is_read = False
        self._error: GatewayError | None = None
        self._added = asyncio.Event()

    async def events(self) -> AsyncIterator[tuple[Call, Event]]:
        """Yield each event with the part that it is of. Raises the error of a part that nobody could give."""
        self._is_read = True
        while self._slots or self._follow:
            if not self._slots:
                self._added.clear()
                await self._added.wait()
                continue
            self._begin()
            part = self._slots[0].part
            assert part is not None
            is_new = True
            try:
                if part.error is not None and not self._slots[0].is_again:  # nobody has heard of it: its turn is now
                    await self._replace([part.call], is_again=True)
                    continue
                async for event in part.events():
                    if is_new:
                        is_new = False
                        self._tell()
                    yield part.call, event
            except GatewayError as error:
                instead = self._instead(part.call, error) if is_new else None
                if instead is None:
                    self._receipt.answered = part.call.receipt.last
                    raise
                await self._replace(instead)
                continue
            await self._replace([])
        self._settle()
        if self._error is not None:
            raise self._error

    def add(self, calls: Sequence[Call]) -> None:
        """Let more parts follow those that there are."""
        self._slots.extend(_Slot(each) for each in calls)
        if self._is_read:
            self._begin()
        self._added.set()

    def end(self, error: GatewayError | None = None) -> None:
        """No more follow: who reads comes to the end, or to the error."""
        self._follow, self._error = False, error
        self._added.set()

    async def close(self) -> None:
        """End what is under way, and write down what all took."""
        try:
            await asyncio.gather(*(slot.part.close() for slot in self._slots if slot.part is not None))
        finally:
            self._settle()

    @property
    def usage(self) -> Usage:
        """What all attempts that gave a part have used."""
        attempts = [attempt for receipt in self._receipts for attempt in receipt.attempts if attempt.outcome == "ok"]
        total = summed(attempt.units for attempt in attempts)
        return Usage(total, any(attempt.is_estimated for attempt in attempts))

    def _begin(self) -> None:
        for slot in islice(self._slots, self._ahead + 1):
            if slot.part is None:
                slot.part = self._made(slot.call)

    async def _replace(self, calls: Sequence[Call], *, is_again: bool = False) -> None:
        """Let the first part be followed by others, or by none: then it is over."""
        slot = self._slots[0]
        assert slot.part is not None
        await slot.part.close()
        self._slots.popleft()
        self._slots.extendleft(_Slot(call, is_again=is_again) for call in reversed(calls))

    def _made(self, call: Call) -> _Part:
        receipt = within.begun(self._receipt, estimate=None, lookup=None, etag="", is_all_there=False, parts=0)
        self._receipts.append(receipt)
        return _Part(replace(call, receipt=receipt), self._handler)

    def _tell(self) -> None:
        """Write on the call's receipt what its parts' say by now."""
        receipt, mine = self._receipt, self._receipts
        attempts = [attempt for one in mine for attempt in one.attempts]
        # In place: who shares the call looks at the same list.
        receipt.attempts[:] = [*self._before[0], *sorted(attempts, key=lambda attempt: attempt.started_s)]
        first = next((one for one in mine if one.answered is not None), mine[0])
        receipt.answered = receipt.answered or first.answered
        receipt.order, receipt.first_choice = first.order, first.first_choice
        for one in mine:
            receipt.skipped += [skipped for skipped in one.skipped if skipped not in receipt.skipped]
            receipt.headers |= {name: value for name, value in one.headers.items() if name not in _OF_A_PART}
            receipt.unretried = one.unretried or receipt.unretried

    def _settle(self) -> None:
        if not self._receipts:
            return
        self._tell()
        costs = [one.cost_nano_usd for one in self._receipts if one.cost_nano_usd is not None]
        self._receipt.cost_nano_usd = sum(costs) + (self._before[1] or 0) if costs else self._before[1]


@dataclass(slots=True)
class _Slot:
    call: Call
    part: _Part | None = None
    is_again: bool = False


class _Part:
    """One part under way: a task reads its answer."""

    def __init__(self, call: Call, handler: Handler) -> None:
        self.call = call
        self._handler = handler
        self._events: deque[Event] = deque()
        self._size = 0
        self.error: GatewayError | None = None
        self._is_over = False
        self._moved = asyncio.Event()
        self._task = asyncio.create_task(self._read(), name="one part of a call")

    async def events(self) -> AsyncIterator[Event]:
        """Yield the events; to be read once. Raises the error that the part ended with."""
        while True:
            while self._events:
                event = self._events.popleft()
                self._size -= event_bytes(event)
                self._moved.set()
                yield event
            if self._is_over:
                break
            self._moved.clear()
            await self._moved.wait()
        if self.error is not None:
            raise self.error
        await self._task  # raises what is no error of the gateway's own

    async def close(self) -> None:
        """Stop at once."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # has been raised where it mattered

    async def _read(self) -> None:
        try:
            reply = await self._handler(self.call)
            try:
                async for event in reply.events:
                    self._events.append(event)
                    self._size += event_bytes(event)
                    self._moved.set()
                    while self._size > AHEAD_BYTES:
                        self._moved.clear()
                        await self._moved.wait()
            finally:
                await close(reply)
        except GatewayError as error:
            self.error = error
        finally:
            self._is_over = True
            self._moved.set()

"""One call that several clients wait for: its events, kept for who comes late, and who pays.

The call runs in a task of its own, bound to nobody's connection and nobody's deadline. Each client has a seat, from
which he reads at his pace; the fastest sets that of the vendor. Who is further behind him than the buffer is long is
cut off, so that neither memory nor the others suffer by him. The first seat pays: its receipt is that of the shared
call. Where he leaves before the end the next one pays, and when the last has left the call is cancelled.
"""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from gateway.chain import close
from gateway.errors import GatewayError, UpstreamCut, UpstreamTimeout
from gateway.middlewares.ledger import opening
from gateway.stores.cache import event_bytes
from gateway.stores.ledger import Entry, Ledger
from gateway.types import Attempt, Call, Event, Handler

AHEAD_BYTES = 262_144  # what the vendor may be ahead of the fastest reader

GOOD, LEFT = "coalesced", "cancelled"  # how it ended for one who joined


class Flight:
    """`on_over` is called once, when nobody can join any more."""

    def __init__(self, call: Call, max_bytes: int, ledger: Ledger, on_over: Callable[[Flight], None]) -> None:
        self._max_bytes = max_bytes
        self._ledger = ledger
        self._on_over = on_over
        receipt = replace(call.receipt, comments=[])
        self._call = replace(call, receipt=receipt, deadline_s=float("inf"), content_by_s=float("inf"))
        self._known_headers = frozenset(call.receipt.headers)
        self._buffer: deque[tuple[Event, int, tuple[str, ...]]] = deque()  # with its size, and what goes before it
        self._first = 0  # number of the event that is first in the buffer
        self._made_bytes = 0
        self._buffer_bytes = 0
        self._seats: list[Seat] = []
        self._room: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.has_begun = False
        self.is_over = False
        self.error: BaseException | None = None
        self.can_be_joined = True

    def depart(self, handler: Handler) -> None:
        self._task = asyncio.create_task(self._run(handler), name="shared call")
        self._task.add_done_callback(self._end)

    def seat(self, call: Call) -> Seat:
        seat = Seat(self, call)
        if self._seats:
            seat.is_payer = False
        self._seats.append(seat)
        return seat

    @property
    def is_alone(self) -> bool:
        return len(self._seats) == 1

    # ------------------------------------------------------------ the call

    async def _run(self, handler: Handler) -> None:
        reply = await handler(self._call)
        try:
            self.has_begun = True
            self._wake()
            async for event in reply.events:
                self._add(event)
                await self._wait_for_room()
        finally:
            await close(reply)

    def _end(self, task: asyncio.Task[None]) -> None:
        """However it ended, even before it began: each seat raises what the call did."""
        self.error = UpstreamCut("the call was given up") if task.cancelled() else task.exception()
        self.is_over = True
        self._close_doors()
        self._wake()

    def _close_doors(self) -> None:
        if self.can_be_joined:
            self.can_be_joined = False
            self._on_over(self)

    def _add(self, event: Event) -> None:
        size, comments = event_bytes(event), self._call.receipt.comments
        self._buffer.append((event, size, tuple(comments)))
        comments.clear()
        self._made_bytes += size
        self._buffer_bytes += size
        if self._buffer_bytes > self._max_bytes:
            self._close_doors()
            self._forget_read()
            while self._buffer_bytes > self._max_bytes and len(self._seats) > 1:
                slowest = min(self._seats, key=lambda seat: seat.position)
                slowest.error = UpstreamCut("this answer is shared with others, and was read too slowly to keep up")
                slowest.wake()
                self._seats.remove(slowest)
                self._hand_on(slowest)
                self._forget_read()
        self._wake()

    def _forget_read(self) -> None:
        """Let go of what every seat has read; nobody else can join by then."""
        read = min((seat.position for seat in self._seats), default=self._first)
        while self._first < read:
            _, size, _ = self._buffer.popleft()
            self._buffer_bytes -= size
            self._first += 1

    async def _wait_for_room(self) -> None:
        while self._made_bytes - max((seat.taken_bytes for seat in self._seats), default=0) > AHEAD_BYTES:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def _wake(self) -> None:
        for seat in self._seats:
            seat.wake()

    # ------------------------------------------------------------ the seats

    def event(self, position: int) -> tuple[Event, int, tuple[str, ...]] | None:
        at = position - self._first
        return self._buffer[at] if at < len(self._buffer) else None

    def moved(self) -> None:
        if not self.can_be_joined:
            self._forget_read()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def share(self, seat: Seat) -> None:
        """Write on a seat's receipt what is known of the call, where it pays; else that it costs nothing."""
        mine, receipt = self._call.receipt, seat.call.receipt
        if seat.is_payer:
            receipt.cost_nano_usd, receipt.estimate = mine.cost_nano_usd, mine.estimate
            receipt.order, receipt.first_choice = mine.order, mine.first_choice
            receipt.answered, receipt.held, receipt.unretried = mine.answered, mine.held, mine.unretried
            receipt.entry = receipt.entry or mine.entry
            if receipt.cache == "miss":
                receipt.cache = mine.cache  # it may have been answered by what is similar
            return
        told = mine.headers.items()
        receipt.headers |= {
            name: value for name, value in told if name.startswith("x-gateway-") and name not in self._known_headers
        }

    def fare(self, seat: Seat) -> Attempt:
        """Return the attempt of one who does not pay."""
        last = self._call.receipt.last
        now_s = asyncio.get_running_loop().time()
        attempt = Attempt(last.target if last is not None else "", cost_nano_usd=0, is_joined=True)
        attempt.started_s, attempt.first_content_s = seat.since_s, now_s
        return attempt

    async def leave(self, seat: Seat) -> None:
        """Give a seat up. The last one ends the call, and waits until the vendor is let go of."""
        if seat in self._seats:
            self._seats.remove(seat)
            if not self.is_over and not self._seats and self._task is not None:
                self._close_doors()
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)
            self.moved()
        if seat.is_payer and not self.is_over:
            entry = self._hand_on(seat)
            if entry is not None:
                await self._ledger.open(entry)
        self.share(seat)

    def _hand_on(self, leaver: Seat) -> Entry | None:
        """Let the next one pay, from the beginning; return the row that is to be written for it, if any."""
        if not leaver.is_payer or not self._seats:
            return None
        heir, mine = self._seats[0], self._call.receipt
        leaver.call.receipt.entry = leaver.call.receipt.entry or mine.entry
        leaver.is_payer, heir.is_payer = False, True
        leaver.call.receipt.attempts, leaver.call.receipt.answered = [self.fare(leaver)], None
        leaver.call.receipt.cost_nano_usd = 0
        heir.call.receipt.attempts = mine.attempts
        if self._ledger.is_on and mine.entry is not None and heir.call.receipt.entry is None:
            entry = opening(self._ledger, heir.call.receipt, mine.entry.reserved_nano_usd)
            heir.call.receipt.entry = entry
            return entry
        return None


class Seat:
    """One client's place: he reads every event from the first on."""

    def __init__(self, flight: Flight, call: Call) -> None:
        self._flight = flight
        self._waiter: asyncio.Future[None] | None = None
        self.call = call
        self.is_payer = True
        self.position = 0
        self.taken_bytes = 0
        self.error: GatewayError | None = None
        self.since_s = asyncio.get_running_loop().time()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def begun(self) -> None:
        """Wait until the call has a reply. Raises what it does, and UpstreamTimeout at this client's own deadline."""
        flight = self._flight
        while not flight.has_begun:
            if flight.is_over:
                raise self._raised()
            await self._wait(min(self.call.deadline_s, self.call.content_by_s))
        if not self.is_payer:
            receipt = self.call.receipt
            receipt.attempts = [flight.fare(self)]
            receipt.cost_nano_usd = 0
        flight.share(self)

    async def events(self) -> AsyncIterator[Event]:
        try:
            async for event in self._events():
                yield event
        except GatewayError as error:
            self._note_end(error.code)
            raise
        self._note_end(GOOD)

    async def _events(self) -> AsyncIterator[Event]:
        flight = self._flight
        while True:
            if self.error is not None:
                raise self.error
            found = flight.event(self.position)
            if found is not None:
                event, size, comments = found
                self.call.receipt.comments += comments
                self.position += 1
                self.taken_bytes += size
                flight.moved()
                yield event
            elif flight.is_over:
                flight.share(self)
                if flight.error is not None:
                    raise self._raised()
                return
            else:
                await self._wait(self.call.deadline_s)

    async def close(self) -> None:
        await self._flight.leave(self)
        self._note_end(LEFT)

    def _note_end(self, outcome: str) -> None:
        """Write down how it ended, once, for one who does not pay."""
        last = self.call.receipt.last
        if last is not None and last.is_joined and last.ended_s is None:
            last.outcome, last.ended_s = outcome, asyncio.get_running_loop().time()

    async def _wait(self, until_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        if until_s == float("inf"):
            await self._waiter
            return
        try:
            async with asyncio.timeout_at(until_s):
                await self._waiter
        except TimeoutError as error:
            raise UpstreamTimeout("the deadline of this call passed; the one it shares with others goes on") from error

    def _raised(self) -> BaseException:
        """Return the call's error as this seat's own: what is added to it here is for this client."""
        error = self._flight.error
        assert error is not None
        if not isinstance(error, GatewayError):
            return error
        mine = copy.copy(error)
        mine.__cause__ = error
        return mine

"""One attempt at one target: opened up to its first content, held back where that is wanted, then given away or closed.

Until it is given away a failure is nobody's but failover's, and everything it opened is closed. From then on the client
sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from gateway.chain import close
from gateway.config.model import Hold
from gateway.errors import ContentRefused, GatewayError, UpstreamCut, UpstreamTimeout
from gateway.flow import observed
from gateway.middlewares.course import Step
from gateway.plugin import is_native
from gateway.stores.cache import event_bytes
from gateway.stores.watching import OutOfTime, Watcher
from gateway.types import Attempt, Call, Done, Event, Handler, Reply, Target, Timeouts, Usage, Verbatim, replace

CLOCK_S = 0.001  # the loop's timers may fire so much early


class Trial:
    """Begins with its making: the attempt is on the receipt, and watchers know of it."""

    def __init__(
        self,
        call: Call,
        step: Step,
        watchers: Sequence[Watcher],
        timeouts: Timeouts,
        *,
        may_forward: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        now_s = self._loop.time()
        target = step.target
        self._first_content_s = timeouts.first_content_s
        until_s = min(now_s + timeouts.first_content_s, call.deadline_s, call.content_by_s)
        self.attempt = Attempt(target.name, why=step.why, operation=call.operation, started_s=now_s, until_s=until_s)
        call.receipt.attempts.append(self.attempt)
        self._deadline_s = call.deadline_s
        self._watch = _Watch(watchers, target, min(call.deadline_s, call.content_by_s))
        self.step = step
        self.target = target
        self._receipt = call.receipt
        self._call: Call | None = replace(
            call,
            target=target,
            attempt=self.attempt,
            timeouts=timeouts,
            deadline_s=min(call.deadline_s, now_s + timeouts.total_s),
            is_verbatim=may_forward and not call.is_part and is_native(call, target),
        )
        self._reply: Reply | None = None
        self._head: list[Event] = []
        self._is_done = False  # the vendor said so
        self._is_over = False  # and nothing came after
        self._pending: asyncio.Task[Event | None] | None = None

    async def open(self, handler: Handler) -> Trial:
        """Read up to the first content and return itself. Raises what goes wrong before it, with everything closed."""
        try:
            async with asyncio.timeout_at(self.attempt.until_s):
                assert self._call is not None
                self._reply = await handler(self._call)
                await self._until_content()
        except TimeoutError as error:
            late = UpstreamTimeout(
                f"{self.target.name} gave no content within {self._first_content_s:g} s (failover.first_content_s) "
                "or the deadline"
            )
            await self.close(late)
            raise late from error
        except BaseException as error:
            await self.close(error)
            raise
        self.attempt.first_content_s = self._loop.time()
        self._watch.content(self.attempt.first_content_s - self.attempt.started_s, self._deadline_s)
        self._settle(is_wasted=False)
        self._call = None  # nobody asks again for this attempt, and what was asked may be long
        return self

    async def fill(self, hold: Hold, *, is_bounded: bool = True) -> None:
        """Read on as far as is to be held. Raises what goes wrong before that, with everything closed."""
        assert self._reply is not None
        assert self.attempt.first_content_s is not None
        until_s = None if hold.for_s is None else self.attempt.first_content_s + hold.for_s
        left = None if hold.events is None else hold.events - sum(_is_content(event) for event in self._head)
        size = sum(event_bytes(event) for event in self._head)
        try:
            while not self._is_over and (left is None or left > 0) and (size < hold.max_bytes or not is_bounded):
                if until_s is None:
                    event = await anext(self._reply.events, None)
                elif not await self._comes_by(until_s):
                    return
                else:
                    event = await self._take()
                self._note(event)
                if event is not None:
                    size += event_bytes(event)
                    left = left - _is_content(event) if left is not None else None
        except BaseException as error:
            await self.close(error)
            raise

    def refusal(self) -> ContentRefused | None:
        """Return the error of an answer that the vendor's filter withheld, where that is known by now."""
        if any(isinstance(event, Done) and event.reason == "content_filter" for event in self._head):
            return ContentRefused(f"{self.target.name}: the vendor's filter withheld the answer")
        return None

    def reply(self) -> Reply:
        """Give the answer away: the attempt is now the one that answers."""
        assert self._reply is not None
        receipt = self._receipt
        receipt.answered = self.attempt
        receipt.headers |= self.attempt.headers
        events, closers = self._reply.events, (self._left, *self._reply.closers)
        if self._pending is not None:
            events, closers = self._rest(), (*closers, self._stop)
        flow = observed(events, self._see, self._end)
        head, self._head = self._head, []
        flow.again(head)
        return replace(self._reply, events=flow, closers=closers)

    async def close(self, error: BaseException, outcome: str = "") -> None:
        """End an attempt that is not given away, and close what it opened."""
        attempt = self.attempt
        if attempt.outcome == "open":
            attempt.outcome = outcome or (error.code if isinstance(error, GatewayError) else "cancelled")
        attempt.ended_s = self._loop.time()
        self._watch.end(error)
        reply, self._reply = self._reply, None
        try:
            await self._stop()
        finally:
            if reply is not None:
                await close(reply)
            self._settle(is_wasted=isinstance(error, GatewayError) and error.can_retry)

    def _settle(self, *, is_wasted: bool) -> None:
        if self.step.ticket is not None:
            self.step.ticket.settle(is_wasted=is_wasted)

    # ------------------------------------------------------------ reading

    async def _until_content(self) -> None:
        assert self._reply is not None
        async for event in self._reply.events:
            self._note(event)
            if self._is_done or _is_content(event):
                return
        raise UpstreamCut("the vendor's answer ended before it began")

    def _note(self, event: Event | None) -> None:
        """Keep an event; None is the end. Raises UpstreamCut where that comes before the vendor's own."""
        if event is not None:
            self._head.append(event)
            self._is_done = self._is_done or isinstance(event, Done)
            return
        self._is_over = True
        if not self._is_done:
            raise UpstreamCut("the vendor's answer ended before its end mark")

    async def _comes_by(self, until_s: float) -> bool:
        """Wait for the next event until then. It is never cancelled for being late: that would end the answer."""
        assert self._reply is not None
        if self._pending is None:
            self._pending = self._loop.create_task(_next(self._reply.events))
        await asyncio.wait({self._pending}, timeout=max(0.0, until_s - self._loop.time()))
        return self._pending.done()

    async def _take(self) -> Event | None:
        assert self._pending is not None
        pending = self._pending
        event = await pending  # cancels it where its reader is cancelled
        self._pending = None
        return event

    async def _stop(self) -> None:
        """End the reading of an event that nobody waits for any more."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
            await asyncio.wait({pending})
            if not pending.cancelled():
                pending.exception()  # has been seen

    async def _rest(self) -> AsyncIterator[Event]:
        """Yield what follows the head, where the reading of an event is under way."""
        assert self._reply is not None
        late = await self._take()
        if late is None:
            return
        yield late
        async for event in self._reply.events:
            yield event

    # ------------------------------------------------------------ given away

    def _see(self, event: Event) -> None:
        if isinstance(event, Done):
            self._is_done = True

    def _end(self, error: BaseException | None) -> None:
        """A failure is the client's to see now. Raises UpstreamCut where no end mark came."""
        attempt = self.attempt
        attempt.ended_s = self._loop.time()
        cut = None
        if error is None and not self._is_done:
            error = cut = UpstreamCut("the vendor's answer ended before its end mark")
        if error is None:
            attempt.outcome = "ok"
        else:
            attempt.outcome = error.code if isinstance(error, GatewayError) else "aborted"
        self._watch.end(error)
        if cut is not None:
            raise cut

    async def _left(self) -> None:
        """The answer is closed; where it was not read to its end, the client has left in the middle."""
        if self.attempt.outcome == "open":
            self.attempt.outcome = "aborted"
        self._watch.end(asyncio.CancelledError())


class _Watch:
    """Tells how an attempt went and, once, how it ended: with its answer, or at its close where nobody reads that."""

    __slots__ = ("_deadline_s", "_target", "_watchers")

    def __init__(self, watchers: Sequence[Watcher], target: Target, deadline_s: float) -> None:
        self._watchers = tuple(watcher.began(target) or watcher for watcher in watchers)
        self._target = target
        self._deadline_s = deadline_s  # the call's own

    def content(self, after_s: float, deadline_s: float) -> None:
        """Tell of the first content. From then on the call has until `deadline_s`."""
        self._deadline_s = deadline_s
        for watcher in self._watchers:
            watcher.content(self._target, after_s)

    def end(self, error: BaseException | None) -> None:
        if isinstance(error, UpstreamTimeout) and asyncio.get_running_loop().time() >= self._deadline_s - CLOCK_S:
            error = OutOfTime(error.message)
        watchers, self._watchers = self._watchers, ()
        for watcher in watchers:
            watcher.ended(self._target, error)


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)


def _is_content(event: Event) -> bool:
    return not isinstance(event, Usage | Done) and not (isinstance(event, Verbatim) and not event.is_content)

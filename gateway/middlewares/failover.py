"""Which target, and which next? Tries the usable targets in order until one gives content, and stays with that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.chain import close
from gateway.config.model import Config, Route
from gateway.errors import GatewayError, UpstreamCut, UpstreamTimeout, UpstreamUnavailable
from gateway.middlewares import usable
from gateway.plugin import is_native
from gateway.services import Services
from gateway.types import Attempt, Call, Done, Event, Handler, Middleware, Reply, Target, Usage, Verbatim


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Failover(route.failover.attempts, route.failover.first_content_s, route.is_verbatim)


class Failover:
    def __init__(self, attempts: int, first_content_s: float, is_verbatim: bool) -> None:
        self._attempts = attempts
        self._first_content_s = first_content_s
        self._is_verbatim = is_verbatim

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        targets, refused = usable.split(call)
        call.receipt.skipped.extend((refusal.target, refusal.reason) for refusal in refused)
        if not targets:
            raise (
                usable.error(call, refused)
                if refused
                else UpstreamUnavailable(
                    f"model {call.model!r} has no provider that is on; set the credentials of one in providers.yaml"
                )
            )
        last: GatewayError | None = None
        for target in targets[: self._attempts]:
            try:
                return await self._try(call, target, handler)
            except GatewayError as error:
                if not error.can_fail_over or asyncio.get_running_loop().time() >= call.deadline_s:
                    raise  # after the deadline there is nobody to answer in time
                last = error
        assert last is not None
        raise last

    async def _try(self, call: Call, target: Target, handler: Handler) -> Reply:
        """Return a reply whose first content is there. Closes what it opened where it raises."""
        loop = asyncio.get_running_loop()
        attempt = Attempt(target.name, started_s=loop.time())
        call.receipt.attempts.append(attempt)
        call = replace(call, target=target, is_verbatim=self._is_verbatim and is_native(call, target))
        reply: Reply | None = None
        try:
            async with asyncio.timeout_at(min(loop.time() + self._first_content_s, call.deadline_s)):
                reply = await handler(call)
                head, is_done = await _until_content(reply.events)
        except BaseException as error:
            attempt.outcome = error.code if isinstance(error, GatewayError) else "cancelled"
            attempt.ended_s = loop.time()
            if reply is not None:
                await close(reply)
            if isinstance(error, TimeoutError):
                attempt.outcome = UpstreamTimeout.code
                raise UpstreamTimeout(
                    f"{target.name} gave no content within {self._first_content_s:g} s (failover.first_content_s) "
                    "or the deadline"
                ) from error
            raise
        attempt.first_content_s = loop.time()
        return replace(reply, events=_committed(head, reply.events, attempt, is_done))


async def _until_content(events: AsyncIterator[Event]) -> tuple[list[Event], bool]:
    """Return the events up to the first content, and whether the answer was over with them."""
    head: list[Event] = []
    async for event in events:
        head.append(event)
        if isinstance(event, Done):
            return head, True
        if not isinstance(event, Usage) and not (isinstance(event, Verbatim) and not event.is_content):
            return head, False
    raise UpstreamCut("the vendor's answer ended before it began")


async def _committed(
    head: list[Event], events: AsyncIterator[Event], attempt: Attempt, is_done: bool
) -> AsyncIterator[Event]:
    """Yield the whole answer. From here on a failure is the client's to see: raises UpstreamCut where no end comes."""
    loop = asyncio.get_running_loop()
    attempt.outcome = "aborted"  # what it stays where the client leaves in the middle
    try:
        for event in head:
            yield event
        async for event in events:
            is_done = is_done or isinstance(event, Done)
            yield event
        if not is_done:
            raise UpstreamCut("the vendor's answer ended before its end mark")
        attempt.outcome = "ok"
    except GatewayError as error:
        attempt.outcome = error.code
        raise
    finally:
        attempt.ended_s = loop.time()

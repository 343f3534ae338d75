"""What did it take? Reads the usage of each attempt along, prices it, and writes it on the receipt, however it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.config.model import Config, Route
from gateway.middlewares.estimate import cost_nano_usd, estimated_units
from gateway.services import Services
from gateway.types import (
    Attempt,
    Call,
    Event,
    Handler,
    Middleware,
    Reply,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Units,
    Usage,
    Verbatim,
)


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return meter


async def meter(call: Call, handler: Handler) -> Reply:
    """Meter one attempt. What an attempt used that a client never saw is charged all the same: the vendor does."""
    attempt = call.receipt.last
    if attempt is None:
        raise RuntimeError("failover opens the attempt before cost sees it")
    bill = _Bill(call, attempt)
    reply = await handler(call)
    return Reply(_read_along(reply.events, bill), (bill.close, *reply.closers))


class _Bill:
    """What went by: the usage the vendor gave, and how much content. Settled once: at the end, or when it is closed."""

    __slots__ = ("_attempt", "_call", "_is_settled", "content_bytes", "content_events", "usage")

    def __init__(self, call: Call, attempt: Attempt) -> None:
        self._call = call
        self._attempt = attempt
        self._is_settled = False
        self.usage: Usage | None = None
        self.content_events = 0
        self.content_bytes = 0

    def settle(self) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        attempt, call = self._attempt, self._call
        attempt.is_estimated = self.usage is None or self.usage.is_estimated
        if self.usage is not None:
            attempt.units = self.usage.units
        if attempt.is_estimated:
            seen = estimated_units(call, self.content_events, self.content_bytes)
            attempt.units = seen if self.usage is None else _at_least(self.usage.units, seen.output_tokens)
        price = call.target.model.price if call.target is not None else None
        if price is not None:
            attempt.cost_nano_usd = cost_nano_usd(attempt.units, price)
            call.receipt.cost_nano_usd = (call.receipt.cost_nano_usd or 0) + attempt.cost_nano_usd

    async def close(self) -> None:
        self.settle()


def _at_least(units: Units, output_tokens: int) -> Units:
    """What a vendor said before it was cut off: its input is exact, of its output more may have been seen since."""
    return replace(units, output_tokens=max(units.output_tokens, output_tokens))


async def _read_along(events: AsyncIterator[Event], bill: _Bill) -> AsyncIterator[Event]:
    async for event in events:
        match event:
            case Usage():
                bill.usage = event
            case Verbatim(data, is_content):
                bill.content_events += is_content
                bill.content_bytes += len(data)
            case TextDelta(text) | ThinkingDelta(text):
                bill.content_events += 1
                bill.content_bytes += len(text.encode(errors="replace"))
            case ToolDelta(arguments=arguments):
                bill.content_events += 1
                bill.content_bytes += len(arguments.encode(errors="replace"))
            case _:
                pass
        yield event
    bill.settle()  # before the answer's headers are written, where it is complete by then

"""What did it take? Reads the usage of each attempt along, prices it, and writes it on the receipt, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.config.model import Config, Route
from gateway.errors import UpstreamTimeout
from gateway.flow import observed
from gateway.middlewares.estimate import Input, cost_nano_usd, estimated_units, input_of, streamed_units
from gateway.services import Services
from gateway.stores.calibration import Calibration
from gateway.types import (
    Attempt,
    Call,
    Chat,
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
    replace,
)


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Meter(services.calibration)


class Meter:
    def __init__(self, calibration: Calibration, wall_clock: Callable[[], float] = time.time) -> None:
        self._calibration = calibration
        self._wall_clock = wall_clock

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        """Meter one attempt. What an attempt used that a client never saw is charged all the same: the vendor does."""
        attempt = call.attempt
        if attempt is None:
            raise RuntimeError("failover opens the attempt before cost sees it")
        bill = _Bill(call, attempt, self._calibration, self._wall_clock)
        try:
            reply = await handler(call)
        except (UpstreamTimeout, asyncio.CancelledError) as error:
            if isinstance(error, UpstreamTimeout) or _is_given_up(attempt):
                attempt.is_unpriced = _is_unpriced(call)
                bill.settle()  # what was sent has been read by then, and is charged for
            raise
        # Known before the head is sent, so that it can say so. Counting tokens is free everywhere.
        attempt.is_unpriced = _is_unpriced(call)
        bill.answered()
        return Reply(observed(reply.events, bill.see, bill.end), (bill.close, *reply.closers))


class _Bill:
    """What went by: the usage the vendor gave, and how much content. Settled once: at the end, or when it is closed."""

    __slots__ = (
        "_attempt",
        "_calibration",
        "_call",
        "_given",
        "_is_settled",
        "_receipt",
        "_target",
        "_wall_clock",
        "content_bytes",
        "content_events",
        "usage",
    )

    def __init__(self, call: Call, attempt: Attempt, calibration: Calibration, wall_clock: Callable[[], float]) -> None:
        self._call: Call | None = call  # until its streamed answer begins
        self._given: Input | None = None  # from then on
        self._receipt = call.receipt
        self._target = call.target
        self._attempt = attempt
        self._calibration = calibration
        self._is_settled = False
        self._wall_clock = wall_clock
        self.usage: Usage | None = None
        self.content_events = 0
        self.content_bytes = 0

    def answered(self) -> None:
        """The vendor answers. Of a streamed chat, which may take long, its size is enough to know from here on."""
        call = self._call
        if call is not None and call.stream and isinstance(call.body, Chat):
            self._given, self._call = input_of(call), None
            call.receipt.estimate = None  # which holds all of its text

    def see(self, event: Event) -> None:
        if isinstance(event, Verbatim):
            self.content_events += event.is_content
            self.content_bytes += len(event.data)
        elif isinstance(event, TextDelta | ThinkingDelta):
            self.content_events += 1
            self.content_bytes += len(event.text.encode(errors="replace"))
        elif isinstance(event, ToolDelta):
            self.content_events += 1
            self.content_bytes += len(event.arguments.encode(errors="replace"))
        elif isinstance(event, Usage):
            self.usage = event

    def end(self, error: BaseException | None) -> None:
        if error is None:
            self.settle()  # before the answer's headers are written, where it is complete by then

    def settle(self) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        attempt, receipt = self._attempt, self._receipt
        attempt.is_estimated = self.usage is None or self.usage.is_estimated
        if self.usage is not None:
            attempt.units = self.usage.units
        if attempt.is_estimated:
            seen = self._seen(self._calibration.factor(attempt.target))
            attempt.units = seen if self.usage is None else _at_least(self.usage.units, seen)
        else:
            _learn(self._calibration, self._given if self._call is None else input_of(self._call), attempt)
        price = self._target.model.price if self._target is not None else None
        if price is not None:
            attempt.cost_nano_usd = cost_nano_usd(attempt.units, price, self._wall_clock())
            receipt.cost_nano_usd = (receipt.cost_nano_usd or 0) + attempt.cost_nano_usd

    async def close(self) -> None:
        self.settle()

    def _seen(self, factor: float) -> Units:
        if self._call is not None:
            return estimated_units(self._call, self.content_events, self.content_bytes, factor)
        assert self._given is not None
        return streamed_units(self._given, self.content_events, factor)


def _is_given_up(attempt: Attempt) -> bool:
    """Say whether failover has cancelled an attempt that took too long, rather than a client that has left."""
    return attempt.outcome == "hedge_lost" or asyncio.get_running_loop().time() >= attempt.until_s


def _is_unpriced(call: Call) -> bool:
    return call.operation != "tokens" and (call.target is None or call.target.model.price is None)


def _learn(calibration: Calibration, given: Input | None, attempt: Attempt) -> None:
    """Let the estimates for this target follow what its vendor counted, where all of the input is text."""
    if given is not None and not given.other_tokens:
        calibration.learn(attempt.target, given.text_tokens, attempt.units.input_tokens)


def _at_least(units: Units, seen: Units) -> Units:
    """What a vendor said before it was cut off: its input is exact, of its output more may have been seen since, and
    of what a live session was given more may have gone by."""
    return replace(
        units,
        output_tokens=max(units.output_tokens, seen.output_tokens),
        audio_seconds=max(units.audio_seconds, seen.audio_seconds),
    )

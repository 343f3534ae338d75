"""A kept answer given again: as it came, or read by its vendor's plugin where the client now reads it otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from gateway.errors import GatewayError
from gateway.stores.cache import Entry
from gateway.types import Attempt, Call, Done, Event, Reply, UpstreamResponse, Usage, Verbatim

MISREAD = (GatewayError, TypeError, ValueError, LookupError, AttributeError)  # what reading may raise, as in attempt.py


async def events_for(call: Call, entry: Entry, mode: str) -> Sequence[Event] | None:
    """Return the events of an answer as this call's client reads it; None where that cannot be without a loss."""
    first = next((event for event in entry.events if isinstance(event, Verbatim)), None)
    if first is None or entry.mode == mode:
        return entry.events
    target = next((target for target in call.targets if target.name == entry.target), None)
    if target is None:
        return None

    async def chunks() -> AsyncIterator[bytes]:
        for event in entry.events:
            if isinstance(event, Verbatim):
                yield event.data

    response = UpstreamResponse(200, {"content-type": first.content_type or "application/json"}, chunks(), _nothing)
    as_it_came = replace(call, target=target, is_verbatim=False, stream=entry.mode.startswith("stream"))
    try:
        read = [event async for event in target.provider.plugin.parse(as_it_came, response)]
    except MISREAD:
        return None
    if any(isinstance(event, Verbatim) for event in read) or not any(isinstance(event, Done) for event in read):
        return None
    return [*_with_usage(read, entry.events)]


def _with_usage(read: Sequence[Event], kept: Sequence[Event]) -> list[Event]:
    """A stream whose client wanted no usage has none among its bytes; it was counted all the same."""
    if any(isinstance(event, Usage) for event in read):
        return list(read)
    usage = [event for event in kept if isinstance(event, Usage)][-1:]
    end = next(at for at, event in enumerate(read) if isinstance(event, Done))
    return [*read[:end], *usage, *read[end:]]


async def _nothing() -> None:
    """There is no connection to be closed."""


def reply(call: Call, entry: Entry, events: Sequence[Event], result: str, *, age_s: float, is_paced: bool) -> Reply:
    """Return the reply, and write on the receipt what it is: `result` is hit or stale. It costs nothing more."""
    receipt = call.receipt
    receipt.cache = result
    receipt.cost_nano_usd = receipt.cost_nano_usd or 0
    receipt.attempts.append(Attempt(entry.target, outcome="cached", cost_nano_usd=0))
    receipt.headers.update(entry.headers)
    receipt.headers["age"] = str(max(0, int(age_s)))
    is_whole = "range" in call.head.headers or "if-none-match" in call.head.headers
    has_pace = is_paced and call.stream and not is_whole and len(entry.offsets_ms) == len(events)
    receipt.etag = "" if has_pace else entry.etag
    receipt.is_all_there = not has_pace
    return Reply(_paced(events, entry.offsets_ms) if has_pace else _at_once(events))


async def _at_once(events: Sequence[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def _paced(events: Sequence[Event], offsets_ms: Sequence[int]) -> AsyncIterator[Event]:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for event, offset_ms in zip(events, offsets_ms, strict=True):
        wait_s = began_s + offset_ms / 1000 - loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        yield event

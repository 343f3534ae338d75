"""A whole request becomes a call, in whichever dialect it came."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from gateway.dialects import Dialect
from gateway.dialects.pin import read_pin
from gateway.types import Call, Inbound, Receipt

THREAD_BYTES = 262_144  # decoding more takes over a millisecond: not on the loop

Due = Callable[[bool], tuple[float, float]]  # is it streamed? -> when it has to be over, and to have begun; monotonic


def never(is_streamed: bool) -> tuple[float, float]:
    return math.inf, math.inf


async def decode(dialect: Dialect, inbound: Inbound, receipt: Receipt, due: Due = never) -> Call:
    """Return the call, whose targets are not known yet. Raises InvalidRequest and what else the dialect does."""
    has_file = inbound.form is not None or inbound.upload is not None
    if len(inbound.body) > THREAD_BYTES or has_file:
        ask = await asyncio.to_thread(dialect.decode, inbound)
    else:
        ask = dialect.decode(inbound)
    ask, raw = read_pin(ask, inbound)
    deadline_s, content_by_s = due(ask.stream)
    return Call(
        id=receipt.id,
        operation=dialect.operation,
        dialect=dialect.name,
        model=ask.model,
        body=ask.body,
        head=inbound.head,
        receipt=receipt,
        stream=ask.stream,
        deadline_s=deadline_s,
        content_by_s=content_by_s,
        raw=None if has_file else raw,
        provider=ask.provider,
        values=ask.values,
        wish=ask.wish,
    )

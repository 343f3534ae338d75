"""A vendor's own bytes, for a client who reads its format."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.flow import Each, Flow, Stage, begun
from gateway.types import Event, Verbatim


def untouched(first: Verbatim, events: AsyncIterator[Event], stage: Stage[Event, bytes] | None = None) -> Flow[bytes]:
    """Return the bytes of an answer that began with `first`, or what a stage makes of the answer."""
    return Flow(begun(first, events), stage or Each(own_bytes))


def own_bytes(event: Event) -> tuple[bytes, ...]:
    return (event.data,) if isinstance(event, Verbatim) else ()

"""Is this worth keeping? Complete answers pass, and are kept under what produced them.

The answer of the model's first choice is what the cache gives again. That of whoever stands in for it is kept as his
own, apart: the cache gives it only where no target has an answer (`stale_if_error_s`).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

from gateway.config.model import Cache as Policy
from gateway.config.model import Config, Route
from gateway.flow import observed
from gateway.middlewares.fingerprint import Lookup
from gateway.services import Services
from gateway.stores.cache import CacheStore, Entry, event_bytes
from gateway.types import (
    AudioChunk,
    Call,
    Event,
    Filled,
    Handler,
    Middleware,
    Receipt,
    Reply,
    Speech,
    TextDelta,
    Verbatim,
    replace,
)

LARGE_BYTES = 65_536  # from here on a file is worth its reading


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Keep(route.cache, services.cache) if route.cache is not None else None


class Keep:
    def __init__(self, policy: Policy, store: CacheStore) -> None:
        self._policy = policy
        self._store = store

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        lookup = call.receipt.lookup
        if not isinstance(lookup, Lookup) or lookup.ttl_s <= 0:
            return await handler(call)
        before = frozenset(call.receipt.headers)
        reply = await handler(call)
        if call.receipt.cache == "similar":
            return reply  # it is kept as what it answered
        recorder = _Recorder(self._policy, self._store, lookup, call, before)
        return replace(reply, events=observed(reply.events, recorder.see, recorder.end))


class _Recorder:
    """Keeps an answer once it is complete."""

    def __init__(self, policy: Policy, store: CacheStore, lookup: Lookup, call: Call, before: frozenset[str]) -> None:
        self._policy = policy
        self._store = store
        self._lookup = lookup
        self._call = call
        self._before = before  # headers of the answer that others have set
        self._clock = asyncio.get_running_loop().time
        self._began_s: float | None = None
        self._events: list[Event] = []
        self._offsets_ms: list[int] = []
        self._size = 0

    def see(self, event: Event) -> None:
        if self._size > self._policy.max_entry_bytes:
            return
        now_s = self._clock()
        if self._began_s is None:
            self._began_s = now_s
        self._events.append(event)
        self._offsets_ms.append(int((now_s - self._began_s) * 1000))
        self._size += event_bytes(event)

    def end(self, error: BaseException | None) -> None:
        if error is not None:
            return
        lookup, call, kept, size = self._lookup, self._call, self._events, self._size
        target = answered_by(call.receipt)
        if target is None or size > self._policy.max_entry_bytes or any(_is_makeshift(event) for event in kept):
            return
        if not self._policy.has_original_pace:
            kept = joined(kept)
            size = sum(map(event_bytes, kept))
        now = self._store.now()
        fresh_until = now + lookup.ttl_s
        later_s = max(self._policy.stale_while_revalidate_s, self._policy.stale_if_error_s)
        told = call.receipt.headers.items()
        entry = Entry(
            events=tuple(kept),
            target=target,
            size_bytes=size,
            headers={name: value for name, value in told if name not in self._before and name.startswith("x-gateway-")},
            stored_at=now,
            fresh_until=fresh_until,
            kept_until=fresh_until + later_s,
            offsets_ms=tuple(self._offsets_ms) if self._policy.has_original_pace else (),
            mode=lookup.mode,
            etag=etag_of(kept) if isinstance(call.body, Speech) else "",
            is_large=isinstance(call.body, Speech) or size >= LARGE_BYTES,
        )
        is_own = target == call.receipt.first_choice
        self._store.put(lookup.key if is_own else lookup.key.of(target), entry)


def answered_by(receipt: Receipt) -> str | None:
    """Return the target whose answer came to its end; None where another had begun it, or given a part of it."""
    if any(attempt.why == "continue" for attempt in receipt.attempts):
        return None
    if receipt.parts:
        givers = {attempt.target for attempt in receipt.attempts if attempt.outcome in ("ok", "cached")}
        return givers.pop() if len(givers) == 1 else None
    return next((attempt.target for attempt in reversed(receipt.attempts) if attempt.outcome == "ok"), None)


def joined(events: Sequence[Event]) -> list[Event]:
    """Return the events with bytes and texts that follow each other in one: a stream's hundred pieces take the memory
    of one, and are given again in one write."""
    runs: list[list[Event]] = []
    for event in events:
        if runs and _continues(runs[-1][0], event):
            runs[-1].append(event)
        else:
            runs.append([event])
    return [_one(run) for run in runs]


def _continues(first: Event, event: Event) -> bool:
    match first, event:
        case Verbatim(), Verbatim():  # what is no content, such as a line with the usage, may be looked for in replays
            return first.is_content and event.is_content and event.content_type in (None, first.content_type)
        case AudioChunk(), AudioChunk():
            return event.format in (None, first.format)
        case TextDelta(), TextDelta():
            return replace(first, text="") == replace(event, text="")
        case _:
            return False


def _one(run: list[Event]) -> Event:
    first = run[0]
    if len(run) == 1:
        return first
    if isinstance(first, TextDelta):
        return replace(first, text="".join(event.text for event in run if isinstance(event, TextDelta)))
    assert isinstance(first, Verbatim | AudioChunk)
    return replace(first, data=b"".join(event.data for event in run if isinstance(event, Verbatim | AudioChunk)))


def etag_of(events: list[Event]) -> str:
    """Return a strong validator of the audio's bytes, quoted."""
    digest = hashlib.sha256()
    for event in events:
        if isinstance(event, AudioChunk):
            digest.update(event.data)
    return f'"{digest.hexdigest()[:32]}"'


def _is_makeshift(event: Event) -> bool:
    """A prompt's fallback stands for an answer that may come the next time."""
    return isinstance(event, Filled) and event.is_fallback

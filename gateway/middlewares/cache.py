"""Have we answered this, for this tenant? Only exact, complete answers, and never a fallback's as the primary's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from sys import getsizeof

from gateway.config.model import Cache as CacheConfig
from gateway.config.model import Config, Route
from gateway.dialects.prompt import PromptDialect
from gateway.services import Services
from gateway.stores.cache import CacheStore, Entry
from gateway.types import (
    Attempt,
    AudioChunk,
    Call,
    Event,
    Filled,
    Handler,
    Middleware,
    Recording,
    Reply,
    Speech,
    Target,
    TextDelta,
    Transcript,
    Vector,
    Verbatim,
)

EVENT_BYTES = 200  # at most what an event takes beside its content, measured on CPython 3.11
NUMBER_BYTES = 36  # a float, its place in a list, and the room that the list keeps spare

CHOOSING = ("-beta", "-version")  # how headers end by which a client chooses what a vendor's API does


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Cache(route.cache, services.cache) if route.cache is not None else None


class Cache:
    def __init__(self, config: CacheConfig, store: CacheStore) -> None:
        self._ttl_s = config.ttl_s
        self._max_entry_bytes = config.max_entry_bytes
        self._store = store

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        wish = call.head.headers.get("cache-control", "").lower()
        if "no-store" in wish:
            call.receipt.cache = "bypass"
            return await handler(call)
        key = await _key(call)
        entry = self._store.get(key) if "no-cache" not in wish else None
        if entry is not None:
            call.receipt.cache = "hit"
            call.receipt.cost_nano_usd = 0
            call.receipt.attempts.append(Attempt(entry.target, outcome="cached", cost_nano_usd=0))
            call.receipt.headers.update(entry.headers)
            return Reply(_replay(entry.events))
        call.receipt.cache = "miss" if "no-cache" not in wish else "bypass"
        reply = await handler(call)
        return replace(reply, events=self._record(key, call, reply.events))

    async def _record(self, key: bytes, call: Call, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        kept: list[Event] = []
        size = 0
        async for event in events:
            if size <= self._max_entry_bytes:
                kept.append(event)
                size += event_bytes(event)
            yield event
        # Only the end of the iteration proves that the answer is complete: a cut raises before this line.
        last = call.receipt.last
        if last is None or size > self._max_entry_bytes or any(_is_makeshift(event) for event in kept):
            return
        if last.target == call.targets[0].name:
            told = {name: value for name, value in call.receipt.headers.items() if name.startswith("x-gateway-")}
            self._store.put(key, Entry(tuple(kept), last.target, size, told), self._ttl_s)


def _is_makeshift(event: Event) -> bool:
    """A prompt's fallback stands for an answer that may come the next time."""
    return isinstance(event, Filled) and event.is_fallback


async def _replay(events: Iterable[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def _key(call: Call) -> bytes:
    """Digest of all that decides the answer: whose, which dialect, which targets in which order, which request."""
    client = call.client
    whose = (client.tenant, client.name if client.is_anonymous else "", client.is_anonymous)
    query = sorted((name, value) for name, value in call.head.query.items() if name != "key")  # a key decides nothing
    targets = [_identity(call, target) for target in call.targets]
    # A prompt may be another after a reload, and then what it answered is of no use.
    files = call.receipt.generation.partition("-")[2] if call.dialect == PromptDialect.name else ""
    chosen = sorted(item for item in call.head.headers.items() if item[0].endswith(CHOOSING))
    digest = hashlib.sha256(repr((whose, call.dialect, call.head.path, query, chosen, targets, files)).encode())
    if call.raw is not None:
        digest.update(call.raw)
    elif isinstance(call.body, Recording):
        digest.update(repr(call.body.fields).encode())
        await asyncio.to_thread(_add_file, digest, call.body)
    return digest.digest()


def _identity(call: Call, target: Target) -> tuple[str | None, ...]:
    """What a target's name stands for: a reload may give the same name another address or another voice."""
    voice = target.voice_for(call.body.voice) if isinstance(call.body, Speech) else None
    return target.name, target.provider.base_url, voice


def _add_file(digest: hashlib._Hash, recording: Recording) -> None:
    file = recording.audio.file
    file.seek(0)
    while block := file.read(1_048_576):
        digest.update(block)


def event_bytes(event: Event) -> int:
    """Return about how much memory an event holds."""
    match event:
        case Verbatim(data) | AudioChunk(data):
            return EVENT_BYTES + len(data)
        case TextDelta(text):
            return EVENT_BYTES + getsizeof(text)
        case Vector(values=values):
            return EVENT_BYTES + len(values) * NUMBER_BYTES
        case Transcript(text, segments=segments, words=words):
            texts = [text, *(segment.text for segment in segments), *(word.text for word in words)]
            return sum(EVENT_BYTES + getsizeof(each) for each in texts)
        case _:
            return EVENT_BYTES + getsizeof(repr(event))

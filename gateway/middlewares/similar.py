"""Was nearly the same asked before? The answer of a question that means the same, to a model of embeddings, is given.

Only the last message may differ, and only in its words: who asks, what was said before, every setting and what would
answer are compared exactly. The question's embedding is asked for within the call, so its cost is the call's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.chain import close
from gateway.config.model import Config, Route, Semantic
from gateway.errors import GatewayError
from gateway.middlewares import replay, within
from gateway.middlewares.cache import KEY_HEADER
from gateway.middlewares.fingerprint import Fingerprints, Lookup
from gateway.middlewares.wishes import is_young, wish_of
from gateway.services import Services
from gateway.stores.cache import CacheStore
from gateway.stores.similar import Room
from gateway.types import Call, Chat, Embeddings, Event, Facts, Handler, Middleware, Reply, Target, Text, Vector

SCORE_HEADER = "x-gateway-cache-score"


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    policy = route.cache.semantic if route.cache is not None else None
    if policy is None:
        return None
    aliases = (alias for alias in config.models if alias.operation == "embeddings")
    targets = next((alias.targets for alias in aliases if alias.pattern == policy.model), ())
    room = services.questions.room(route.name, policy.max_questions)
    return Similar(policy, targets, services.cache, room, Fingerprints(route))


class Similar:
    """`targets` make the embeddings; what one of them made is compared with its own alone."""

    def __init__(
        self, policy: Semantic, targets: tuple[Target, ...], store: CacheStore, room: Room, fingerprints: Fingerprints
    ) -> None:
        self._policy = policy
        self._targets = targets
        self._store = store
        self._room = room
        self._fingerprints = fingerprints

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        lookup, question = call.receipt.lookup, self._question(call)
        if not isinstance(lookup, Lookup) or call.receipt.cache == "bypass" or not question or lookup.ttl_s <= 0:
            return await handler(call)
        made_by, vector = await self._embedded(call, handler, question)
        if vector is None:
            return await handler(call)
        shelf = self._shelf(call, made_by)
        given = await self._given(call, lookup, shelf, vector)
        if given is not None:
            return given
        reply = await handler(call)
        return replace(reply, events=self._learn(shelf, vector, lookup, reply.events))

    async def explain(self, call: Call, facts: Facts) -> Call:
        """Tell that a similar question may be answered from the cache; which one, nobody knows without asking."""
        if facts.get("cache", {}).get("result") == "miss" and self._question(call):
            facts["cache"]["similar"] = f"of {self._policy.threshold:g} or more by {self._policy.model!r} answers"
        return call

    async def _given(self, call: Call, lookup: Lookup, shelf: str, vector: tuple[float, ...]) -> Reply | None:
        """Return the answer to the nearest question whose answer is still good."""
        wish = wish_of(call.head.headers)
        for score, key in self._room.nearest(shelf, vector, self._policy.threshold):
            found = await self._store.find(key)
            now = self._store.now()
            if found is None or now >= found.entry.fresh_until:
                self._room.forget(shelf, key)
                continue
            events = await replay.events_for(call, found.entry, lookup.mode)
            if events is None or not is_young(found.entry, now, wish):
                continue
            self._room.touch(shelf, key)
            self._store.hits[found.store] += 1
            reply = replay.reply(
                call, found.entry, events, "similar", age_s=now - found.entry.stored_at, is_paced=self._policy.is_paced
            )
            call.receipt.headers[KEY_HEADER] = key.digest
            call.receipt.headers[SCORE_HEADER] = f"{score:.4f}"
            return reply
        return None

    async def _learn(
        self, shelf: str, vector: tuple[float, ...], lookup: Lookup, events: AsyncIterator[Event]
    ) -> AsyncIterator[Event]:
        async for event in events:
            yield event
        # Only the end of the iteration proves that the answer is complete. Whether it was worth keeping shows when it
        # is looked for.
        self._room.add(shelf, vector, lookup.key)

    async def _embedded(self, call: Call, handler: Handler, question: str) -> tuple[str, tuple[float, ...] | None]:
        """Return who embedded the question, and how; None where nobody did in time: then the vendor is asked."""
        now_s = asyncio.get_running_loop().time()
        own = within.begun(call.receipt, model=self._policy.model, lookup=None, estimate=None, cache="off")
        asked = replace(
            call,
            operation="embeddings",
            model=self._policy.model,
            body=Embeddings((question,)),
            raw=None,
            stream=False,
            targets=self._targets,
            receipt=own,
            deadline_s=min(call.deadline_s, now_s + self._policy.timeout_s),
        )
        vector: tuple[float, ...] | None = None
        reply: Reply | None = None
        try:
            reply = await handler(asked)
            async for event in reply.events:
                if isinstance(event, Vector):
                    vector = tuple(event.values)
        except GatewayError:  # it is on the receipt, with the attempts
            vector = None
        finally:
            if reply is not None:
                await close(reply)
            within.charge(call.receipt, own)
        return (own.last.target if own.last is not None else ""), vector

    def _shelf(self, call: Call, made_by: str) -> str:
        """Return a name for all that must agree: everything but the words of the last message."""
        chat = call.body
        assert isinstance(chat, Chat)
        *before, last = chat.messages
        rest = replace(chat, messages=(*before, replace(last, parts=())), user=None, wants_usage=True, extra={})
        parts = ascii((made_by, self._fingerprints.parts(call), rest))
        return hashlib.sha256(parts.encode()).hexdigest()

    def _question(self, call: Call) -> str:
        """Return the words of the last message where they alone may differ; "" where the chat is of another kind.

        A chat that calls tools acts, and what acts is not answered from what was once done.
        """
        chat = call.body
        if not isinstance(chat, Chat) or chat.tools or not chat.messages or not self._fingerprints.is_plain(call):
            return ""
        last = chat.messages[-1]
        if last.role != "user" or not all(isinstance(part, Text) for part in last.parts):
            return ""
        return last.text.strip()

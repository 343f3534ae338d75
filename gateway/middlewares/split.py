"""Is the text too long for who is to speak it? Then in parts, each asked for by itself, made ahead and joined.

What is joined is samples, encoded once where the client wants another format: so a join is neither gap nor click,
whoever speaks which part. A part fails over alone. Where samples cannot be encoded here (without PyAV, but for pcm and
wav) nothing is cut, and a text that is too long for a target passes it over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from gateway.audio.codecs import HINT, has_codecs
from gateway.audio.sentences import GROWTH
from gateway.chain import compose
from gateway.config.model import Config, Failover, LongText, Route
from gateway.errors import GatewayError, InvalidRequest, UnsupportedByTarget
from gateway.middlewares import cache, keep
from gateway.middlewares.long_text import SHORT_CHARS, Able, able, first_cut, shorter_cut
from gateway.middlewares.parts import Parts
from gateway.middlewares.spoken import Spoken, after, joined_form
from gateway.services import Services
from gateway.types import AudioFormat, Call, Done, Event, Facts, Handler, Middleware, Reply, Speech
from gateway.upstream.converter import Converter

PARTS_HEADER = "x-gateway-parts"
THREAD_CHARS = 50_000  # cutting more takes over some milliseconds: not on the loop


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    policy = route.long_text
    if policy is None:
        return None
    kept = (cache.build(route, config, services), keep.build(route, config, services))
    around = [link for link in kept if link is not None] if policy.caches_sentences else []
    return Split(policy, route.failover, services.converter, around)


class Split:
    """`around` are links that stand around each part."""

    def __init__(
        self, policy: LongText, failover: Failover, converter: Converter, around: Sequence[Middleware] = ()
    ) -> None:
        self._policy = policy
        self._around = around
        self._growth = 0 if policy.caches_sentences else GROWTH
        self._failover = failover
        self.converter = converter

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        speech = call.body
        if not isinstance(speech, Speech) or len(speech.text) <= SHORT_CHARS:
            return await handler(call)
        form = joined_form(speech)
        if form is None:
            return await _hinting(call, handler)
        found = able(call, form)
        if found.is_whole_first:
            try:
                return await handler(call)
            except GatewayError as error:
                if not found.in_parts or not self._goes_on(error):
                    raise
        speaking = _Speaking(call, await self._first_cut(call, found, form), form, handler, self)
        return await speaking.reply()

    async def explain(self, call: Call, facts: Facts) -> Call:
        """Tell into how many parts the text is cut. What follows is told of the first of them."""
        speech = call.body
        form = joined_form(speech) if isinstance(speech, Speech) and len(speech.text) > SHORT_CHARS else None
        if form is None:
            return call
        found = able(call, form)
        if found.is_whole_first:
            return call
        calls = await self._first_cut(call, found, form)
        facts["parts"] = len(calls)
        return calls[0]

    def parts(self, call: Call, calls: Sequence[Call], handler: Handler, form: AudioFormat) -> Parts:
        """Return the parts under way."""

        def instead(part: Call, error: GatewayError) -> Sequence[Call] | None:
            try:
                return shorter_cut(part, form) if self._goes_on(error) else None
            except InvalidRequest:
                return None  # what went wrong before says more

        return Parts(call, calls, compose(self._around, handler), instead, ahead=self._policy.ahead)

    def _goes_on(self, error: GatewayError) -> bool:
        """Whether others may be asked after this error. What they are asked has attempts of its own."""
        policy = self._failover
        is_allowed = policy.attempts > 1 and (policy.repeat == "always" or not error.may_have_run)
        return error.can_fail_over and is_allowed

    async def _first_cut(self, call: Call, found: Able, form: AudioFormat) -> list[Call]:
        assert isinstance(call.body, Speech)
        if len(call.body.text) > THREAD_CHARS:
            return await asyncio.to_thread(first_cut, call, found, form, self._growth)
        return first_cut(call, found, form, self._growth)


class _Speaking:
    """One text under way."""

    def __init__(self, call: Call, calls: Sequence[Call], form: AudioFormat, handler: Handler, link: Split) -> None:
        self._parts = link.parts(call, calls, handler, form)
        self._spoken = Spoken(self._parts, form, link.converter, call.receipt)
        call.receipt.parts = len(calls)
        call.receipt.headers[PARTS_HEADER] = str(len(calls))

    async def reply(self) -> Reply:
        """Return the reply once its first sound is there. Raises what went wrong before it."""
        try:
            events = self._events()
            first = await anext(events)
        except BaseException:
            await self._spoken.close()
            raise
        return Reply(after(first, events), (self._spoken.close,))

    async def _events(self) -> AsyncIterator[Event]:
        async for chunk in self._spoken.chunks():
            yield chunk
        yield self._parts.usage
        yield Done()


async def _hinting(call: Call, handler: Handler) -> Reply:
    """Ask for the whole; where it is too long for all, say what is missing for more."""
    try:
        return await handler(call)
    except UnsupportedByTarget as error:
        if error.param == "input" and isinstance(call.body, Speech) and not has_codecs():
            error.message += f"; in parts it can be spoken as pcm or wav, or as {call.body.format} with {HINT}"
        raise

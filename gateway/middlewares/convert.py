"""Is the audio what was asked for? It is checked, and made so where the target's row says `convert: true`.

A header is put on PCM or taken off here; another rate or codec is made by a subprocess while the audio comes in. The
answer's header `x-gateway-converted` says what was made of what. Nothing leaves under a name that is not its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.audio import wav
from gateway.audio.answer import checked
from gateway.config.model import Config, Route
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.middlewares import usable
from gateway.middlewares.conversion import Plan
from gateway.services import Services
from gateway.types import (
    AudioChunk,
    AudioFormat,
    Call,
    Event,
    Handler,
    Middleware,
    Reply,
    Speech,
)
from gateway.upstream.converter import Conversion, Converter, Order

CONVERTED_HEADER = "x-gateway-converted"
GRACE_S = 5.0  # of a conversion beyond the silence that the vendor may keep


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return Convert(services.converter)


class Convert:
    def __init__(self, converter: Converter) -> None:
        self._converter = converter

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        target = call.target
        if target is None or not isinstance(call.body, Speech):
            return await handler(call)
        plan = usable.conversion(call, target)
        if plan is None:
            reply = await handler(call)
            return replace(reply, events=_checked(_Source(reply.events), call.body.format))
        if plan.is_plain:
            reply = await handler(replace(call, body=plan.asked, is_verbatim=False))
            return replace(reply, events=_plain(_Source(reply.events), plan, call))
        return await self._through_process(call, handler, plan)

    async def _through_process(self, call: Call, handler: Handler, plan: Plan) -> Reply:
        assert call.target is not None
        conversion = await self._converter.lease()
        reply: Reply | None = None
        try:
            reply = await handler(replace(call, body=plan.asked, is_verbatim=False))
        except BaseException:
            await conversion.close()
            raise
        stall_s = (call.timeouts or call.target.timeouts).idle_s + GRACE_S
        events = _made(_Source(reply.events), plan, call, conversion, stall_s)
        return Reply(events, (*reply.closers, conversion.close))


class _Source:
    """The audio of an answer apart from what else is in it: `rest` gathers that while the audio is read."""

    def __init__(self, events: AsyncIterator[Event]) -> None:
        self._events = events
        self._first = b""
        self.rest: list[Event] = []

    async def begin(self, name: str) -> AudioFormat:
        """Read up to the first audio and return what the plugin says it is.

        Raises UpstreamCut where there is none, UpstreamMalformed where it is not `name`.
        """
        async for event in self._events:
            if not isinstance(event, AudioChunk):
                self.rest.append(event)
                continue
            if event.format is None or event.format.name != name:
                said = event.format.name if event.format is not None else "something unnamed"
                raise UpstreamMalformed(f"the answer is {said} where {name} was asked for")
            self._first = event.data
            return event.format
        raise UpstreamCut("the vendor's answer holds no audio")

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._first
        async for event in self._events:
            if isinstance(event, AudioChunk):
                yield event.data
            else:
                self.rest.append(event)


async def _checked(source: _Source, name: str) -> AsyncIterator[Event]:
    promised = await source.begin(name)
    async for event in _chunks(checked(source.chunks(), promised), promised):
        yield event
    for other in source.rest:
        yield other


async def _plain(source: _Source, plan: Plan, call: Call) -> AsyncIterator[Event]:
    """Put a header on PCM, or take it off."""
    given = await source.begin(plan.asked.format)
    wanted = plan.wanted
    if given.sample_rate_hz != wanted.sample_rate_hz:
        raise UpstreamMalformed(f"the answer has {given.sample_rate_hz} Hz, not the {wanted.sample_rate_hz} asked for")
    _note(call, given, wanted)
    if wanted.name == "pcm":
        made = checked(source.chunks(), wanted)  # which takes a header off
    else:
        made = _with_header(checked(source.chunks(), given), wanted)
    async for event in _chunks(made, wanted):
        yield event
    for other in source.rest:
        yield other


async def _made(
    source: _Source, plan: Plan, call: Call, conversion: Conversion, stall_s: float
) -> AsyncIterator[Event]:
    given = await source.begin(plan.asked.format)
    _note(call, given, plan.wanted)
    order = Order(given, plan.wanted, stall_s)
    async for event in _chunks(conversion.run(checked(source.chunks(), given), order), plan.wanted):
        yield event
    for other in source.rest:
        yield other


async def _chunks(chunks: AsyncIterator[bytes], form: AudioFormat) -> AsyncIterator[AudioChunk]:
    is_first = True
    async for data in chunks:
        if data:
            yield AudioChunk(data, form if is_first else None)
            is_first = False
    if is_first:
        raise UpstreamCut("the vendor's answer holds no audio")


async def _with_header(chunks: AsyncIterator[bytes], wanted: AudioFormat) -> AsyncIterator[bytes]:
    assert wanted.sample_rate_hz is not None
    header = wav.header(wanted.sample_rate_hz)
    async for chunk in chunks:
        yield header + chunk
        header = b""


def _note(call: Call, given: AudioFormat, wanted: AudioFormat) -> None:
    call.told[CONVERTED_HEADER] = f"{given.name} {given.sample_rate_hz} -> {wanted.name} {wanted.sample_rate_hz}"

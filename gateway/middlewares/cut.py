"""Is the recording too long for who is to write it down? Then in pieces, several at once, put together as one.

It is decoded once, onto disk, and cut at silence; each piece is asked for by itself and fails over alone. Times are
those of the whole. A client that reads a stream gets each piece's text as soon as the ones before it are there. Without
PyAV nothing is cut, and a recording that is too long for all is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from gateway.audio.codecs import HINT, has_codecs
from gateway.audio.pieces import Piece, cut_up, joined, own, with_text
from gateway.config.model import Config, Failover, LongRecordings, Route
from gateway.errors import GatewayError, UnsupportedByTarget, UpstreamCut
from gateway.middlewares import usable
from gateway.middlewares.long_recording import Able, able, calls_of, longest_s, takers_of
from gateway.middlewares.long_text import unconditional
from gateway.middlewares.parts import Parts
from gateway.middlewares.split import PARTS_HEADER
from gateway.services import Services
from gateway.types import (
    Call,
    Closer,
    Done,
    Event,
    Facts,
    Handler,
    Middleware,
    Recording,
    Reply,
    Target,
    TextDelta,
    Transcript,
)
from gateway.upstream.cutter import Cutter
from gateway.upstream.cutter import Sound as Samples


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    policy = route.long_recordings
    return Cut(policy, route.failover, services.cutter) if policy is not None else None


class Cut:
    def __init__(self, policy: LongRecordings, failover: Failover, cutter: Cutter) -> None:
        self.policy = policy
        self._failover = failover
        self._cutter = cutter

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        if not isinstance(call.body, Recording) or call.body.url is not None:
            return await handler(call)
        found = able(call)
        if not found.in_pieces:
            return await handler(call)
        if not has_codecs():
            return await _hinting(call, handler)
        if found.is_whole_first:
            try:
                return await handler(call)
            except GatewayError as error:
                if not self.goes_on(error):
                    raise
        sound = await self._cutter.decode(call.body.audio, call.deadline_s)
        return await _Writing(call, found, sound, handler, self).reply()

    async def explain(self, call: Call, facts: Facts) -> Call:
        """Tell that the recording is cut, and how long the pieces are. What follows is told of one of them."""
        if not isinstance(call.body, Recording) or call.body.url is not None or not has_codecs():
            return call
        found = able(call)
        if found.is_whole_first:
            return call
        takers = takers_of(call, found)
        most_s = longest_s(call, takers, self.policy.piece_s)
        length_s = call.body.duration_s or most_s
        pieces = cut_up(0.0, length_s, (), most_s)
        facts["parts"] = len(pieces)
        return replace(call, body=replace(call.body, duration_s=min(length_s, most_s)), targets=found.targets)

    def goes_on(self, error: GatewayError) -> bool:
        """Whether others may be asked after this error. What they are asked has attempts of its own."""
        policy = self._failover
        is_allowed = policy.attempts > 1 and (policy.repeat == "always" or not error.may_have_run)
        return error.can_fail_over and is_allowed


class _Writing:
    """One recording under way. `sound` is closed with it."""

    def __init__(self, call: Call, found: Able, sound: Samples, handler: Handler, link: Cut) -> None:
        self._call = call
        self._sound = sound
        self._link = link
        self._closers: list[Closer] = [sound.close]
        self._pieces: dict[str, Piece] = {}  # by the name of the file that holds it
        takers = takers_of(call, found)
        targets = tuple(map(unconditional, found.in_pieces if found.is_whole_first else found.targets))
        most_s = longest_s(call, takers, link.policy.piece_s)
        calls = self._calls(cut_up(0.0, sound.seconds, sound.quiet, most_s), targets)
        self._parts = Parts(call, calls, handler, self._instead, ahead=link.policy.at_once - 1)
        self._closers.append(self._parts.close)
        call.receipt.parts = len(calls)
        call.receipt.headers[PARTS_HEADER] = str(len(calls))

    async def reply(self) -> Reply:
        """Return the reply once the first piece is written down. Raises what went wrong before that."""
        try:
            events = self._events()
            first = await anext(events)
        except BaseException:
            await self._close()
            raise
        return Reply(_after(first, events), (self._close,))

    async def _close(self) -> None:
        closers, self._closers = self._closers, []
        for closer in reversed(closers):
            await closer()

    async def _events(self) -> AsyncIterator[Event]:
        found: list[tuple[Piece, Transcript]] = []
        text = ""
        async for part, event in self._parts.events():
            if not isinstance(event, Transcript):
                continue
            piece = self._pieces[_name_of(part)]
            found.append((piece, event))
            if self._call.stream:
                is_shared = len(found) > 1 and piece.start_s < piece.own_from_s and not event.words
                longer = with_text(text, own(piece, event, len(found) - 1).text, is_shared=is_shared)
                if longer != text:
                    yield TextDelta(longer[len(text) :])
                text = longer
        if not found:
            raise UpstreamCut("the vendors' answers hold no transcript")
        yield joined(found, self._sound.seconds)
        yield self._parts.usage
        yield Done()

    def _calls(self, pieces: Sequence[Piece], targets: tuple[Target, ...]) -> list[Call]:
        calls = calls_of(self._call, pieces, self._sound, targets, first=len(self._pieces))
        self._pieces |= {_name_of(each): piece for each, piece in zip(calls, pieces, strict=True)}
        return calls

    def _instead(self, part: Call, error: GatewayError) -> Sequence[Call] | None:
        """Return a piece in smaller ones, for those of its targets that take less."""
        if not self._link.goes_on(error):
            return None
        smaller = tuple(target for target in part.targets if usable.refuse(part, target) is not None)
        if not smaller:
            return None
        piece = self._pieces[_name_of(part)]
        most_s = longest_s(part, smaller[:1], piece.seconds)
        inner = cut_up(piece.start_s, piece.end_s, self._sound.quiet, most_s)
        inner[0] = replace(inner[0], own_from_s=piece.own_from_s)
        inner[-1] = replace(inner[-1], own_to_s=piece.own_to_s)
        return self._calls(inner, smaller)


def _name_of(call: Call) -> str:
    assert isinstance(call.body, Recording)
    return call.body.audio.filename


async def _hinting(call: Call, handler: Handler) -> Reply:
    """Ask for the whole; where it is too long for all, say what is missing for more."""
    try:
        return await handler(call)
    except UnsupportedByTarget as error:
        if error.param == "file":
            error.message += f"; in pieces it can be written down with {HINT}"
        raise


async def _after(first: Event, rest: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield first
    async for each in rest:
        yield each

"""The innermost handler of a live session: one target, connected before its client is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus

from gateway.config.model import LiveLimits
from gateway.errors import UpstreamError, UpstreamLoop, UpstreamMalformed, UpstreamRefusedUs
from gateway.live import LiveWire, is_composed, is_spliced, wire_of
from gateway.plugin import Inline
from gateway.types import Call, Done, Event, Handler, Live, Opened, Reply, Target, UpstreamRequest
from gateway.upstream.attempt import name_error, named, start_of, with_headers
from gateway.upstream.composed import Composed
from gateway.upstream.lines import LocalLine, VendorLine, framed
from gateway.upstream.send import Upstream
from gateway.upstream.socket import Socket, SocketLimits
from gateway.upstream.traced import traced


def live_with(upstream: Upstream, given: LiveLimits, speak: Handler) -> Handler:
    """Return the handler that opens a session at `call.target`. `speak` answers an ordinary call at one."""
    limits = SocketLimits(given.frame_bytes, given.queue_bytes, given.ping_s)

    async def attempt(call: Call) -> Reply:
        target, live = call.target, call.body
        assert target is not None
        assert isinstance(live, Live)
        if is_composed(call, target):
            session = Composed(call, target, speak)
            live.session.line = session.line
            return Reply(_opened(named(session.events(), target)), (session.close,))
        wire = wire_of(target)
        assert wire is not None, "usable has seen that there is one"
        plugin = target.provider.plugin
        request = with_headers(plugin.build(call, target), target.provider)
        try:
            request = traced(plugin.sign(request, await upstream.tokens.equip(target, call.deadline_s)), call)
            if is_spliced(call, target):
                return await _dialled(upstream, call, target, wire, request, limits)
        except UpstreamError as error:
            name_error(error, target)
            if isinstance(error, UpstreamRefusedUs):
                upstream.tokens.drop(target)
            raise
        return await _local(upstream, call, target, wire, request)

    return attempt


async def _dialled(
    upstream: Upstream, call: Call, target: Target, wire: LiveWire, request: UpstreamRequest, limits: SocketLimits
) -> Reply:
    """Open the vendor's socket. Raises what the vendor says where it does not."""
    assert isinstance(call.body, Live)
    answer = await upstream.upgrade(request, target, call.deadline_s, limits, call.timeouts)
    if not isinstance(answer, Socket):
        try:
            body = await start_of(answer)
        finally:
            await answer.close()
        if answer.status == HTTPStatus.LOOP_DETECTED:
            raise UpstreamLoop("the request came back to a gateway that had passed it on; correct base_url")
        if answer.status < 400:
            raise UpstreamMalformed(f"the vendor answered with status {answer.status} and opened no WebSocket")
        raise target.provider.plugin.parse_error(answer.status, answer.headers, body)
    line = VendorLine(answer, wire.goodbye(call), target.provider)
    call.body.session.line = line
    return Reply(_opened(named(wire.read(call, line.frames()), target)), (line.close,))


async def _local(upstream: Upstream, call: Call, target: Target, wire: LiveWire, request: UpstreamRequest) -> Reply:
    """Begin a session with a provider of this machine. Raises UpstreamUnavailable where no process of it is free."""
    assert isinstance(call.body, Live)
    line = LocalLine(lambda item: wire.write(call, item))
    call.body.session.line = line
    backend = target.provider.plugin.backend
    if isinstance(backend, Inline):
        assert backend.live is not None
        said = backend.live(request, line.source())
        frames = framed(said)

        async def close() -> None:
            await line.close()

        return Reply(_opened(named(wire.read(call, frames), target)), (close,))
    pieces = await upstream.pieces(target)
    frames = framed(pieces.run(request, line.source()))
    return Reply(_opened(named(wire.read(call, frames), target)), (line.close, pieces.close))


async def _opened(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """Say first that there is a connection: from then on the session stays where it is."""
    yield Opened()
    async for event in events:
        yield event
    yield Done()

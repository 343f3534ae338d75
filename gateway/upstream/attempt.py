"""The innermost handler: one call to one target, built and read by its plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.errors import GatewayError, UpstreamError
from gateway.types import Call, Event, Handler, Reply, Target, UpstreamResponse
from gateway.upstream.send import Upstream

MAX_ERROR_BODY_BYTES = 65_536  # vendors send HTML pages on 502; the start is enough


def attempt_with(upstream: Upstream) -> Handler:
    """Return the handler that serves `call.target` through `upstream`."""

    async def attempt(call: Call) -> Reply:
        target = call.target
        if target is None:
            raise RuntimeError("failover chooses the target before the attempt")
        plugin = target.provider.plugin
        request = plugin.sign(plugin.build(call, target), target)
        response = await upstream.send(request, target, call.deadline_s)
        try:
            if not 200 <= response.status < 300:
                body = await _start_of(response)
                raise plugin.parse_error(response.status, response.headers, body)
            return Reply(_named(plugin.parse(call, response), target), (response.close,))
        except BaseException as error:
            await response.close()
            if isinstance(error, UpstreamError):
                _name(error, target)
            raise

    return attempt


async def _start_of(response: UpstreamResponse) -> bytes:
    body = b""
    async for chunk in response.chunks:
        body += chunk
        if len(body) >= MAX_ERROR_BODY_BYTES:
            break
    return body[:MAX_ERROR_BODY_BYTES]


async def _named(events: AsyncIterator[Event], target: Target) -> AsyncIterator[Event]:
    try:
        async for event in events:
            yield event
    except UpstreamError as error:
        _name(error, target)
        raise


def _name(error: GatewayError, target: Target) -> None:
    """Say whose error it is, unless it is the client's: that text is the vendor's own, for the client to read."""
    if error.blame == "upstream" and not error.message.startswith(target.name):
        error.message = f"{target.name}: {error.message}"

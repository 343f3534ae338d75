"""The innermost handler: one call to one target, built and read by its plugin."""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from http import HTTPStatus

from gateway.errors import GatewayError, UpstreamError, UpstreamLoop, UpstreamMalformed, UpstreamRefusedUs
from gateway.flow import Flow, observed
from gateway.telemetry.logs import LOGGER
from gateway.types import Call, Event, Handler, Provider, Reply, Target, UpstreamRequest, UpstreamResponse
from gateway.upstream.masking import hidden
from gateway.upstream.send import Upstream
from gateway.upstream.traced import traced

# What code that trusts a shape raises where the shape is another: then the next target may do better.
MISREAD = (TypeError, ValueError, LookupError, AttributeError)
MAX_ERROR_BODY_BYTES = 65_536  # vendors send HTML pages on 502; the start is enough


def attempt_with(upstream: Upstream) -> Handler:
    """Return the handler that serves `call.target` through `upstream`."""
    tokens = upstream.tokens

    async def attempt(call: Call) -> Reply:
        target = call.target
        if target is None:
            raise RuntimeError("failover chooses the target before the attempt")
        plugin = target.provider.plugin
        request = with_headers(plugin.build(call, target), target.provider)
        try:
            request = traced(plugin.sign(request, await tokens.equip(target, call.deadline_s)), call)
        except UpstreamError as error:
            name_error(error, target)
            raise
        response = await upstream.send(request, target, call.deadline_s, call.timeouts)
        try:
            if not 200 <= response.status < 300:
                body = await start_of(response)
                if response.status == HTTPStatus.LOOP_DETECTED:
                    raise UpstreamLoop("the request came back to a gateway that had passed it on; correct base_url")
                raise plugin.parse_error(response.status, response.headers, body)
            return Reply(named(plugin.parse(call, response), target), (response.close,))
        except BaseException as error:
            await response.close()
            if isinstance(error, UpstreamError):
                name_error(error, target)
            if isinstance(error, UpstreamRefusedUs):
                tokens.drop(target)
            raise

    return attempt


def with_headers(request: UpstreamRequest, provider: Provider) -> UpstreamRequest:
    """Add the operator's own headers; where a name is the plugin's too, the operator's stands."""
    if not provider.headers:
        return request
    return replace(request, headers={**request.headers, **{name.lower(): v for name, v in provider.headers.items()}})


async def start_of(response: UpstreamResponse) -> bytes:
    """Return what there is of an error's body: its status says more than that its text was cut or stalled."""
    body = b""
    try:
        async for chunk in response.chunks:
            body += chunk
            if len(body) >= MAX_ERROR_BODY_BYTES:
                break
    except UpstreamError:
        return body
    return body[:MAX_ERROR_BODY_BYTES]


def named(events: AsyncIterator[Event], target: Target) -> Flow[Event]:
    """Return what a plugin reads, with its errors told as this target's."""

    def end(error: BaseException | None) -> None:
        if isinstance(error, UpstreamError):
            name_error(error, target)
        elif isinstance(error, MISREAD):
            place = traceback.extract_tb(error.__traceback__)[-1]  # the error's own text may quote the answer
            where = f"{place.filename}:{place.lineno}"
            LOGGER.error("%s in the plugin of %s at %s, reading an answer", type(error).__name__, target.name, where)
            raise UpstreamMalformed(
                f"{target.name}: the vendor's answer has a shape that the plugin does not know"
            ) from error

    return observed(events, None, end)


def name_error(error: GatewayError, target: Target) -> None:
    """Say whose error it is, unless it is the client's: that text is the vendor's own, for the client to read.

    Some vendors quote the key that they do not like, by statuses that do not tell.
    """
    error.message = hidden(error.message, target.provider)
    if error.blame == "upstream" and not error.message.startswith(target.name):
        error.message = f"{target.name}: {error.message}"
    error.args = (error.message,)  # what str() and a trace in the log show

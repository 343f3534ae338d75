"""The innermost handler of a pass-through: one request to a vendor's own endpoint, its answer handed on as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from gateway.errors import UpstreamError
from gateway.types import (
    Call,
    Done,
    Event,
    Handler,
    Passage,
    Passed,
    Provider,
    Reply,
    Target,
    Units,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    Verbatim,
)
from gateway.upstream.masking import masked
from gateway.upstream.send import Upstream
from gateway.upstream.traced import traced

MEMORY_BYTES = 1_048_576  # up to here a body lies in memory anyway, where a plugin that signs bodies can see it


def forward_with(upstream: Upstream) -> Handler:
    """Return the handler that passes `call.body`, a Passage, on to `call.target`."""

    async def forward(call: Call) -> Reply:
        target = call.target
        assert target is not None
        assert isinstance(call.body, Passage)
        request = await _request(call.body, target)
        try:
            request = target.provider.plugin.sign(request, await upstream.tokens.equip(target, call.deadline_s))
            request = traced(request, call)
            response = await upstream.send(request, target, call.deadline_s, call.timeouts)
        except UpstreamError as error:
            error.message = f"{target.provider.name}: {error.message}"
            raise
        if call.attempt is not None:
            call.attempt.status = response.status
        if response.status in (401, 403):
            upstream.tokens.drop(target)
        return Reply(_events(response, target.provider), (response.close,))

    return forward


async def _request(passage: Passage, target: Target) -> UpstreamRequest:
    url = f"{target.provider.base_url}/{passage.path}" + (f"?{passage.query}" if passage.query else "")
    upload = passage.upload
    if upload is not None and upload.size_bytes <= MEMORY_BYTES:
        return UpstreamRequest(passage.method, url, passage.headers, await asyncio.to_thread(upload.read))
    return UpstreamRequest(passage.method, url, passage.headers, upload=upload)


async def _events(response: UpstreamResponse, provider: Provider) -> AsyncIterator[Event]:
    yield Passed(response.status, response.headers)
    async for chunk in masked(response.chunks, provider, is_error=response.status >= 400):
        yield Verbatim(chunk)
    yield Usage(Units())
    yield Done()

"""Counting what a chat's input has: `:countTokens` (vendors.md 3, 2026-11-23)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway import json
from gateway.errors import UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import Call, Chat, Done, Event, Target, TokenCount, UpstreamResponse, Verbatim

from .chat import write_chat
from .errors import parse_object
from .names import resource
from .splice import splice_model

MAX_ANSWER_BYTES = 65_536  # a few numbers


def build(call: Call, target: Target) -> bytes:
    """Return the body: a whole request is counted, with its tools and system instruction; settings cost nothing."""
    assert isinstance(call.body, Chat)
    if call.is_verbatim:
        return splice_model(call.raw or b"", resource(target), depth=2)
    chat = write_chat(call.body, target)
    chat.pop("generationConfig", None)
    return json.dumps({"generateContentRequest": {"model": resource(target), **chat}})


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    body = await read_all(response, MAX_ANSWER_BYTES)
    count = parse_object(body).get("totalTokens", 0)  # proto JSON leaves a 0 out
    if not isinstance(count, int):
        raise UpstreamMalformed("the vendor's answer has no 'totalTokens' that is a number")
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    else:
        yield TokenCount(count)
    yield Done()

"""A chat's answer from Gemini: passed on untouched while its usage is read along, or read into events.

Wire format: vendors.md 3, 2026-11-23. A stream has no end mark of its own: it is complete when every candidate that
began has said why it ended, or the prompt was blocked. Each chunk's usage replaces the one before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import sse
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import Call, Event, UpstreamResponse, Usage, Verbatim

from .candidates import Reader, has_content, read_usage
from .errors import parse_object

MAX_ANSWER_BYTES = 33_554_432  # 65,536 tokens of text, or some images


def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    return _stream(call, response) if call.stream else _whole(call, response)


async def _whole(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    body = await read_all(response, MAX_ANSWER_BYTES)
    answer = parse_object(body)
    reader = Reader(call.id)
    events = list(reader.read(answer))
    if not reader.is_complete and not answer.get("candidates"):
        raise UpstreamMalformed("the vendor's answer has no 'candidates', and does not say that it was blocked")
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    else:
        for event in events:
            yield event
    usage = answer.get("usageMetadata")
    if isinstance(usage, dict):
        yield Usage(read_usage(usage))
    if reader.failure and not call.is_verbatim:
        raise UpstreamMalformed(reader.failure)
    for done in reader.ends():
        yield done


async def _stream(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    content_type = response.headers.get("content-type", "text/event-stream")
    if not content_type.startswith("text/event-stream"):
        raise UpstreamMalformed(f"the vendor answered {content_type[:60]!r} where a stream of events was asked for")
    reader = Reader(call.id)
    usage: Any = None
    async for event in sse.read(response.chunks):
        chunk = parse_object(event.data) if event.data else {}
        if call.is_verbatim:
            yield Verbatim(event.raw, has_content(chunk), content_type)
        for delta in reader.read(chunk):
            if not call.is_verbatim:
                yield delta
        if chunk.get("usageMetadata") not in (None, usage):
            usage = chunk["usageMetadata"]
            yield Usage(read_usage(usage))
    if not reader.is_complete:
        raise UpstreamCut("the vendor's stream ended before its candidates had a finishReason")
    if reader.failure and not call.is_verbatim:
        raise UpstreamMalformed(reader.failure)
    for done in reader.ends():
        yield done

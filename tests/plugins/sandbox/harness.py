"""Calls, targets and a run of the plugin without the gateway around it: build, answer, parse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from io import BytesIO
from typing import Any

from gateway.plugin import Inline, Plugin
from gateway.types import (
    Body,
    Call,
    Chat,
    Embeddings,
    Event,
    Head,
    Message,
    Model,
    Operation,
    Provider,
    Receipt,
    Recording,
    Speech,
    Target,
    Text,
    TextDelta,
    Upload,
    UpstreamRequest,
    UpstreamResponse,
)
from plugins.sandbox import PLUGIN

OPERATIONS: Mapping[type, Operation] = {
    Chat: "chat",
    Embeddings: "embeddings",
    Speech: "speech",
    Recording: "transcription",
}


def call_for(body: Body) -> Call:
    """Return a call as a dialect would decode it."""
    head = Head("r1", "POST", "/", {}, {}, "127.0.0.1")
    return Call("r1", OPERATIONS[type(body)], "test", "m", body, head, Receipt("r1", 0.0))


def target_for(body: Body, **options: Any) -> Target:
    """Return a sandbox model with these options."""
    plugin: Plugin = PLUGIN
    model = Model("m", OPERATIONS[type(body)], options=options)
    return Target(Provider("sandbox", plugin, "inline://sandbox"), model, PLUGIN.default_voices)


def chat(text: str, **fields: Any) -> Chat:
    """Return a chat of one user message."""
    return Chat((Message("user", (Text(text),)),), **fields)


def recording(data: bytes, container: str = "wav") -> Recording:
    """Return an upload of these bytes."""
    return Recording(Upload("a." + container, "audio/x", len(data), BytesIO(data)), container)


def request_for(body: Body, **options: Any) -> UpstreamRequest:
    return PLUGIN.build(call_for(body), target_for(body, **options))


async def answer(body: Body, **options: Any) -> UpstreamResponse:
    """Return what the sandbox's server answers."""
    assert isinstance(PLUGIN.backend, Inline)
    return await PLUGIN.backend.answer(request_for(body, **options))


async def events(body: Body, **options: Any) -> list[Event]:
    """Return all events of an answer; raises what the gateway would, also for an answer that is an error."""
    response = await answer(body, **options)
    if response.status != 200:
        data = b"".join([chunk async for chunk in response.chunks])
        raise PLUGIN.parse_error(response.status, response.headers, data)
    return [event async for event in PLUGIN.parse(call_for(body), response)]


async def raw(body: Body, **options: Any) -> bytes:
    """Return the bytes of an answer."""
    return b"".join([chunk async for chunk in (await answer(body, **options)).chunks])


async def parsed(chunks: Iterable[bytes], body: Body) -> list[Event]:
    """Return the events of an answer that arrives in these chunks."""
    response = UpstreamResponse(200, {}, _stream(chunks), _nothing)
    return [event async for event in PLUGIN.parse(call_for(body), response)]


def text_of(found: Iterable[Event], index: int = 0) -> str:
    """Return the text of one choice."""
    return "".join(event.text for event in found if isinstance(event, TextDelta) and event.index == index)


async def _stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _nothing() -> None:
    return None

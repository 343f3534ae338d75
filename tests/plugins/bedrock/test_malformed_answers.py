"""Whatever Bedrock answers is read, or is the vendor's fault."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import UpstreamError
from gateway.types import (
    Call,
    Chat,
    Event,
    Head,
    Message,
    Receipt,
    Text,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    UpstreamResponse,
    Usage,
)
from tests.plugins.test_chat_mappings import target
from tests.vendors.bedrock import eventstream

SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
COUNTS = {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokens": 1}
REASONED = {"reasoningText": {"text": "x", "signature": "s"}}
CONVERSE = {
    "output": {
        "message": {
            "content": [
                {"reasoningContent": REASONED},
                {"text": "a"},
                {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
            ]
        }
    },
    "stopReason": "end_turn",
    "usage": COUNTS,
}
CONVERSE_EVENTS = [
    ["contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "x"}}}],
    ["contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "a"}}],
    ["contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}],
    ["contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{}"}}}],
    ["messageStop", {"stopReason": "tool_use"}],
    ["metadata", {"usage": COUNTS}],
]
ODD: st.SearchStrategy[Any] = st.sampled_from([None, True, 0, -1, 1.5, "", "x", [], [1], {}, {"a": 1}, [None], [[]]])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in inner for found in ((*path, key), *places(item, (*path, key)))]


@st.composite
def spoiled(draw: Any, value: Any) -> Any:
    """Return the value with one to three things in it replaced by something odd, or taken out."""
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        found = places(changed)
        if not found:
            break
        *path, key = draw(st.sampled_from(found))
        inside = changed
        for step in path:
            inside = inside[step]
        if isinstance(inside, dict) and draw(st.booleans()):
            del inside[key]
        else:
            inside[key] = copy.deepcopy(draw(ODD))
    return changed


def read(body: bytes, content_type: str, *, stream: bool) -> list[Event]:
    """Return the events; raises what the plugin raises."""
    at = target("bedrock")
    chat = Chat((Message("user", (Text("hi"),)),))
    head = Head("id", "POST", "/", {}, {}, "127.0.0.1")
    call = Call("id", "chat", "openai.chat", "m", chat, head, Receipt("id", 0.0), stream=stream)
    call = replace(call, target=at)

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    async def close() -> None:
        return

    async def run() -> list[Event]:
        response = UpstreamResponse(200, {"content-type": content_type}, chunks(), close)
        return [event async for event in at.provider.plugin.parse(call, response)]

    return asyncio.run(run())


def check(events: list[Event]) -> None:
    for event in events:
        if isinstance(event, TextDelta | ThinkingDelta):
            assert isinstance(event.text, str)
        if isinstance(event, ThinkingDelta):
            assert event.signature is None or isinstance(event.signature, str)
        if isinstance(event, ToolDelta):
            assert isinstance(event.arguments, str)
            assert isinstance(event.id, str | None)
            assert isinstance(event.name, str | None)
        if isinstance(event, Usage):
            assert all(
                type(count) is int and count >= 0 for count in (event.units.input_tokens, event.units.output_tokens)
            )


@SETTINGS
@given(data=st.data())
def test_no_whole_answer_is_a_fault_of_ours(data: st.DataObject) -> None:
    body = json.dumps(data.draw(spoiled(CONVERSE))).encode()
    try:
        events = read(body, "application/json", stream=False)
    except UpstreamError:
        return
    check(events)


@SETTINGS
@given(data=st.data())
def test_no_stream_of_converse_is_a_fault_of_ours(data: st.DataObject) -> None:
    events = [[name, data.draw(spoiled(fields))] for name, fields in CONVERSE_EVENTS]
    body = b"".join(eventstream.event(name, fields) for name, fields in events)
    try:
        found = read(body, "application/vnd.amazon.eventstream", stream=True)
    except UpstreamError:
        return
    check(found)

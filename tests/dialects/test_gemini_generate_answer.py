"""Events rendered as Gemini does: parts, counts and reasons, and a stream's framing byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.dialects.gemini_generate import GeminiGenerate, GeminiStream
from gateway.errors import RateLimited, UpstreamMalformed
from gateway.types import Call, Done, Event, Rendered, TextDelta, ThinkingDelta, ToolDelta, Units, Usage, Verbatim
from tests import given


def call(alt: str | None = "sse", *, stream: bool = False) -> Call:
    made = given.call(dialect="gemini.generate", stream=stream, query={} if alt is None else {"alt": alt})
    made.receipt.attempts.clear()
    return made


async def whole(*events: Event) -> dict[str, Any]:
    rendered = await GeminiGenerate().encode(call(), given.stream(events))
    assert isinstance(rendered.body, bytes)
    value: dict[str, Any] = json.loads(rendered.body)
    return value


async def streamed(events: Iterable[Event], alt: str | None = "sse") -> tuple[str, list[bytes]]:
    rendered: Rendered = await GeminiStream().encode(call(alt, stream=True), given.stream(events))
    assert not isinstance(rendered.body, bytes)
    return rendered.content_type, [chunk async for chunk in rendered.body]


async def test_a_whole_answer() -> None:
    units = Units(input_tokens=9, cached_input_tokens=2, output_tokens=7, reasoning_tokens=3)
    answer = await whole(
        ThinkingDelta("h", vendor="gemini", is_new=True),
        ThinkingDelta("m", vendor="gemini"),
        TextDelta("a"),
        TextDelta("b"),
        ThinkingDelta("", "sig", vendor="gemini", is_new=True),
        ToolDelta(0, '{"x"', "c1", "f"),
        ToolDelta(0, ":1}"),
        ToolDelta(1, "", "c2", "g"),
        TextDelta("other", 1),
        Usage(units),
        Done("tool_calls"),
        Done("length", 1),
    )
    assert answer == {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "ab"},
                        {"functionCall": {"id": "c1", "name": "f", "args": {"x": 1}}, "thoughtSignature": "sig"},
                        {"functionCall": {"id": "c2", "name": "g", "args": {}}},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
            },
            {"content": {"parts": [{"text": "other"}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 1},
        ],
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": 4,
            "totalTokenCount": 16,
            "cachedContentTokenCount": 2,
            "thoughtsTokenCount": 3,
        },
        "modelVersion": "fast",
        "responseId": "request-1",
    }


async def test_an_answer_that_was_blocked_has_no_content() -> None:
    assert (await whole(Done("content_filter")))["candidates"] == [{"finishReason": "SAFETY", "index": 0}]


async def test_another_vendors_signature_is_not_shown_and_its_thoughts_are() -> None:
    answer = await whole(
        ThinkingDelta("why", None, vendor="anthropic", is_new=True),
        ThinkingDelta("", "secret", vendor="anthropic"),
        ThinkingDelta("sealed", None, is_redacted=True, vendor="anthropic", is_new=True),
        TextDelta("a"),
        Done(),
    )
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "why", "thought": True}, {"text": "a"}]


async def test_a_stream_is_framed_as_google_frames_it() -> None:
    content_type, chunks = await streamed([TextDelta("a"), TextDelta("b"), Usage(Units(1, output_tokens=2)), Done()])
    assert content_type == "text/event-stream"
    text = b'{"candidates":[{"content":{"parts":[{"text":"%b"}],"role":"model"},"index":0}],'
    common = b'"modelVersion":"fast","responseId":"request-1"}'
    usage = b'"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2,"totalTokenCount":3},'
    last = b'{"candidates":[{"finishReason":"STOP","index":0}],'
    wanted = [text % b"a" + common, text % b"b" + common, last + usage + common]
    assert chunks == [b"data: " + chunk + b"\r\n\r\n" for chunk in wanted]


async def test_without_alt_sse_a_stream_is_an_array_that_grows() -> None:
    content_type, chunks = await streamed([TextDelta("a"), Done()], alt=None)
    assert content_type.startswith("application/json")
    assert [part["candidates"][0].get("finishReason") for part in json.loads(b"".join(chunks))] == [None, "STOP"]
    assert len(chunks) == 3


async def test_verbatim_events_become_an_array_without_a_changed_object() -> None:
    raw = [b'data: {"a": 1.50}\r\n\r\n', b": comment\r\n\r\n", b'data: {"b":  2}\r\n\r\n']
    events = [Verbatim(data, content_type="text/event-stream") for data in raw]
    assert (await streamed([*events, Done()]))[1] == raw
    assert b"".join((await streamed([*events, Done()], alt=None))[1]) == b'[{"a": 1.50}\n,\r\n{"b":  2}\n]\n'


async def test_a_tool_call_that_ran_into_the_limit_is_left_out() -> None:
    answer = await whole(TextDelta("a"), ToolDelta(0, '{"x": "unfin', "c1", "f"), Done("length"))
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "a"}]
    assert answer["candidates"][0]["finishReason"] == "MAX_TOKENS"


@pytest.mark.parametrize("arguments", ['{"x": ', "[1]", "text"])
async def test_a_tool_call_with_broken_arguments_is_the_vendors_fault(arguments: str) -> None:
    with pytest.raises(UpstreamMalformed, match="'f' with arguments that are not a JSON object"):
        await whole(ToolDelta(0, arguments, "c1", "f"), Done("tool_calls"))


async def test_a_signature_after_the_last_part_stands_on_an_empty_one() -> None:
    _, chunks = await streamed([TextDelta("a"), ThinkingDelta("", "sig", vendor="gemini", is_new=True), Done()])
    assert b'{"text":"","thoughtSignature":"sig"}' in chunks[1]


def test_an_error_has_googles_shape() -> None:
    error = RateLimited("slow down", param="contents", retry_after_s=7.5)
    body = json.loads(GeminiGenerate().encode_error(error, "r-1", started=False))
    rpc = "type.googleapis.com/google.rpc."
    assert body == {
        "error": {
            "code": 429,
            "message": "slow down",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": f"{rpc}ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "gateway"},
                {"@type": f"{rpc}RequestInfo", "requestId": "r-1"},
                {"@type": f"{rpc}BadRequest", "fieldViolations": [{"field": "contents", "description": "slow down"}]},
                {"@type": f"{rpc}RetryInfo", "retryDelay": "7.5s"},
            ],
        }
    }
    started = GeminiStream().encode_error(error, "r-1", started=True)
    assert started.startswith(b"data: {")
    assert started.endswith(b"}\r\n\r\n")

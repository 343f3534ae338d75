"""Right answers of OpenAI's to every operation, and how a test has the plugin read one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from gateway.plugin import load_plugin
from gateway.types import (
    AudioChunk,
    Call,
    Chat,
    Done,
    Embeddings,
    Event,
    Segment,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Transcript,
    Units,
    Usage,
    Vector,
    Verbatim,
    Word,
)
from tests.given import call, drained, recording_call, response, speech_call, target

PLUGIN: Any = load_plugin("openai", [Path(__file__).parents[3] / "plugins"]).value
JSON_HEADERS = {"content-type": "application/json"}
SSE_HEADERS = {"content-type": "text/event-stream; charset=utf-8"}

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 6,
    "total_tokens": 16,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
TOOL_CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
CHAT = {
    "id": "x",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hel", "reasoning_content": "hm", "tool_calls": [TOOL_CALL]},
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"role": "assistant", "refusal": "no"}, "finish_reason": "content_filter"},
    ],
    "usage": USAGE,
}


def chunk(delta: Any, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice], **more}


CHUNKS: list[dict[str, Any]] = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}, usage=None),
    chunk({"content": "lo 😀"}),
    chunk({"tool_calls": [TOOL_CALL]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
    chunk({}, "stop"),
    {"id": "x", "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
]
EMBEDDINGS = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
        {"object": "embedding", "index": 1, "embedding": "AAAAPwAAgL8="},
    ],
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}
TRANSCRIPTION = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.5,
    "text": "Good morning.",
    "segments": [{"id": 0, "start": 0.0, "end": 2.5, "text": "Good morning.", "speaker": "A"}],
    "words": [{"word": "Good", "start": 0.0, "end": 0.5}],
    "usage": {"type": "duration", "seconds": 3},
}

_CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a":1}'}
_REASONING = {"type": "reasoning", "id": "r1", "summary": [{"text": "hm"}], "encrypted_content": "x"}
RESPONSES = {
    "object": "response",
    "status": "completed",
    "incomplete_details": None,
    "error": None,
    "output": [
        _REASONING,
        {"type": "message", "content": [{"type": "output_text", "text": "Hel"}, {"type": "refusal", "refusal": "no"}]},
        _CALL,
    ],
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 3},
    },
}
RESPONSES_EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {"status": "in_progress"}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "r1"}},
    {"type": "response.reasoning_summary_part.added", "summary_index": 1},
    {"type": "response.reasoning_summary_text.delta", "delta": "hm"},
    {"type": "response.output_item.done", "output_index": 0, "item": _REASONING},
    {"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"},
    {"type": "response.output_item.added", "output_index": 2, "item": _CALL | {"arguments": ""}},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a":1}'},
    {"type": "response.completed", "response": RESPONSES},
]


def stream_of(events: Sequence[Any], *, done: bool = True) -> bytes:
    raw = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    return raw + (b"data: [DONE]\n\n" if done else b"")


def chat(*, stream: bool = False, verbatim: bool = False, wants_usage: bool = True, raw: bytes = b"{}") -> Call:
    body = Chat((), wants_usage=wants_usage)
    return call(body, stream=stream, is_verbatim=verbatim, raw=raw, at=target(plugin=PLUGIN))


def responses(*, stream: bool = False) -> Call:
    return call(Chat(()), stream=stream, raw=b"{}", at=target(plugin=PLUGIN, provider_options={"api": "responses"}))


def embeddings(*, verbatim: bool = False) -> Call:
    at = target(plugin=PLUGIN, operation="embeddings")
    return call(
        Embeddings(("a", "b")), operation="embeddings", dialect="openai.embeddings", is_verbatim=verbatim, at=at
    )


def transcription(*, verbatim: bool = False, stream: bool = False, **fields: Any) -> Call:
    at = target(plugin=PLUGIN, operation="transcription")
    return recording_call(recording=fields, is_verbatim=verbatim, stream=stream, at=at)


def speech(**fields: Any) -> Call:
    return speech_call(at=target(plugin=PLUGIN, operation="speech", voices={"nova": "nova"}), **fields)


async def read(asked: Call, *pieces: bytes | BaseException, headers: dict[str, str] | None = None) -> list[Event]:
    """Return the events that the plugin reads out of an answer of these pieces."""
    kind = SSE_HEADERS if asked.stream and asked.operation == "chat" else JSON_HEADERS
    return await drained(PLUGIN.parse(asked, response(*pieces, headers=headers or kind)))


async def check_cut_anywhere(asked: Call, raw: bytes, headers: dict[str, str] | None = None) -> None:
    """The same events come out however the bytes are cut."""
    whole = await read(asked, raw, headers=headers)
    for at in range(len(raw) + 1):
        assert await read(asked, raw[:at], raw[at:], headers=headers) == whole
    assert await read(asked, *(bytes([byte]) for byte in raw), headers=headers) == whole


def check_types(events: Sequence[Event]) -> None:
    """Whatever a vendor wrote, what is read of it has the types that it is said to have."""
    for event in events:
        match event:
            case TextDelta(text, index) | ThinkingDelta(text=text, index=index):
                assert isinstance(text, str)
                assert is_count(index)
            case ToolDelta(position, arguments, id, name, index):
                assert is_count(position)
                assert is_count(index)
                assert isinstance(arguments, str)
                assert isinstance(id, str | None)
                assert isinstance(name, str | None)
            case Vector(index, values):
                assert is_count(index)
                assert {type(value) for value in values} <= {int, float}
            case Transcript(text, language, duration_s, segments, words):
                assert isinstance(text, str)
                assert isinstance(language, str | None)
                assert duration_s is None or is_number(duration_s)
                parts: tuple[Segment | Word, ...] = (*segments, *words)
                for part in parts:
                    assert isinstance(part.text, str)
                    assert is_number(part.start_s)
                    assert is_number(part.end_s)
                    assert isinstance(part.speaker, str | None)
            case Usage(units):
                check_units(units)
            case Done(reason, index):
                assert reason in ("stop", "length", "tool_calls", "content_filter", "error")
                assert is_count(index)
            case Verbatim(data) | AudioChunk(data):
                assert isinstance(data, bytes)
            case _:
                raise AssertionError(event)


def check_units(units: Units) -> None:
    tokens = (units.input_tokens, units.cached_input_tokens, units.cache_write_tokens, units.output_tokens)
    assert all(is_count(count) for count in (*tokens, units.reasoning_tokens, units.characters))
    assert is_number(units.audio_seconds)


def is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e12

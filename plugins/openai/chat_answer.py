"""A chat's answer from OpenAI: passed on untouched while its usage is read along, or read into events.

Wire format: vendors.md 1.1, 2026-11-23. A stream is complete with `[DONE]` and not before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from gateway import json, sse
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.flow import Fault, Flow
from gateway.plugin import read_all
from gateway.types import (
    Call,
    Done,
    Event,
    FinishReason,
    TextDelta,
    ThinkingDelta,
    ToolDelta,
    Units,
    UpstreamResponse,
    Usage,
    Verbatim,
)

from .chat import asks_for_usage
from .errors import parse_object, stream_error
from .pattern import Pattern
from .reading import bookkeeping, count, mapping, objects, text, word
from .responses import VENDOR

MAX_ANSWER_BYTES = 33_554_432  # 128,000 tokens of text with logprobs stay below this

_CONTENT = ("content", "tool_calls", "refusal", "function_call", "reasoning", "reasoning_content")  # of a delta

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",  # Mistral
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",  # Mistral, OpenRouter
}


def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    if not call.stream:
        return _whole(call, response)
    content_type = response.headers.get("content-type", "text/event-stream")
    if not content_type.startswith("text/event-stream"):
        stated = f"the vendor answered {content_type[:60]!r} where a stream of events was asked for"
        return Fault(UpstreamMalformed(stated))
    return Flow(response.chunks, _Stream(call, content_type))


async def _whole(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    body = await read_all(response, MAX_ANSWER_BYTES)
    answer = parse_object(body)
    if "choices" not in answer:
        raise UpstreamMalformed("the vendor's answer has no 'choices'")
    choices = objects(answer["choices"], "choices")
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    for choice in choices:
        if not call.is_verbatim:
            for event in _message(mapping(choice.get("message"), "message"), _index(choice)):
                yield event
    if isinstance(answer.get("usage"), dict):
        yield Usage(read_usage(answer["usage"]))
    for choice in choices:
        yield Done(_reason(choice), _index(choice))
    if not choices:
        yield Done()


class _Stream:
    """The stage that reads a streamed chat. It may take long: of the call it keeps what it goes by."""

    __slots__ = (
        "_content_type", "_cutter", "_has_done_mark", "_is_verbatim", "_keeps_usage", "_pattern", "_reasons", "is_over",
    )  # fmt: skip

    def __init__(self, call: Call, content_type: str) -> None:
        self.is_over = False
        self._has_done_mark = _has_done_mark(call)
        self._content_type = content_type
        self._is_verbatim = call.is_verbatim
        self._keeps_usage = call.target is not None and call.is_verbatim and asks_for_usage(call, call.target)
        self._cutter = sse.Cutter()
        self._pattern: Pattern | None = None  # of the content that came last, where it is passed on
        self._reasons: dict[int, FinishReason] = {}

    def feed(self, piece: bytes) -> Iterable[Event]:
        if self._pattern is not None and not self._cutter.pending and self._pattern.fits(piece):
            return (Verbatim(piece, True, self._content_type),)  # one event in a segment of its own, as nearly all are
        return self._read(piece)

    def _read(self, piece: bytes) -> Iterator[Event]:
        for raw in self._cutter.feed(piece):
            if self._pattern is not None and self._pattern.fits(raw):
                yield Verbatim(raw, True, self._content_type)
            else:
                yield from self._event(raw)
            if self.is_over:
                return

    def end(self, error: Exception | None) -> Iterator[Event]:
        if error is not None:
            raise error
        for raw in self._cutter.end():
            yield from self._event(raw)
        if self.is_over:
            return
        if not self._reasons or self._has_done_mark:
            raise UpstreamCut("the vendor's stream ended before its end mark [DONE]")
        for index, reason in sorted(self._reasons.items()):
            yield Done(reason, index)

    def _event(self, raw: bytes) -> Iterator[Event]:
        data = sse.parse(raw).data
        if data == b"[DONE]":
            self.is_over = True
            if self._is_verbatim:
                yield Verbatim(raw, is_content=False, content_type=self._content_type)
            for index, reason in sorted(self._reasons.items()) or [(0, "stop")]:
                yield Done(reason, index)
            return
        chunk = _chunk(data)
        choices = objects(chunk.get("choices"), "choices")
        usage = bookkeeping(chunk.get("usage"))
        if self._is_verbatim and not (self._keeps_usage and usage and not choices):
            is_content = any(_has_content(choice) for choice in choices)
            is_text = is_content and not usage and not any(choice.get("finish_reason") for choice in choices)
            self._pattern = Pattern.of(raw) if is_text else None
            yield Verbatim(raw, is_content, self._content_type)
        for choice in choices:
            if choice.get("finish_reason"):
                self._reasons[_index(choice)] = _reason(choice)
            if not self._is_verbatim:
                yield from _message(mapping(choice.get("delta"), "delta"), _index(choice))
        if usage:
            yield Usage(read_usage(usage))


def _has_done_mark(call: Call) -> bool:
    return call.target is None or bool(call.target.provider.options.get("done_mark", True))


def read_usage(usage: dict[str, Any]) -> Units:
    """OpenAI counts cached tokens within the prompt's, reasoning within the completion's, and audio within both."""
    prompt = bookkeeping(usage.get("prompt_tokens_details"))
    completion = bookkeeping(usage.get("completion_tokens_details"))
    return Units(
        input_tokens=count(usage.get("prompt_tokens")),
        cached_input_tokens=count(prompt.get("cached_tokens")),
        cache_write_tokens=count(prompt.get("cache_write_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        reasoning_tokens=count(completion.get("reasoning_tokens")),
        input_audio_tokens=count(prompt.get("audio_tokens")),
        output_audio_tokens=count(completion.get("audio_tokens")),
    )


def _chunk(data: bytes) -> dict[str, Any]:
    if not data:
        return {}  # a comment: OpenRouter sends them while it waits
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise UpstreamMalformed("an event of the vendor's stream is not JSON") from error
    if not isinstance(chunk, dict):
        raise UpstreamMalformed("an event of the vendor's stream is not a JSON object")
    if chunk.get("error"):
        raise stream_error(chunk["error"])
    return chunk


def _index(choice: dict[str, Any]) -> int:
    return count(choice.get("index"))


def _reason(choice: dict[str, Any]) -> FinishReason:
    return _REASONS.get(word(choice.get("finish_reason")) or "", "stop")


def _has_content(choice: dict[str, Any]) -> bool:
    delta = mapping(choice.get("delta"), "delta")
    return bool(choice.get("finish_reason")) or any(delta.get(key) for key in _CONTENT)


def _message(message: dict[str, Any], index: int) -> list[Event]:
    """The events of a message or of a delta, which have the same fields."""
    events: list[Event] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")  # DeepSeek, vLLM; OpenRouter, Groq
    if isinstance(reasoning, str) and reasoning:
        events.append(ThinkingDelta(reasoning, index=index, vendor=VENDOR))
    said = text(message.get("content") or message.get("refusal"), "content")
    if said:
        events.append(TextDelta(said, index))
    for position, call in enumerate(objects(message.get("tool_calls"), "tool_calls")):
        function = mapping(call.get("function"), "function")
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments).decode()  # Mistral may send an object
        position = count(call["index"]) if "index" in call else position
        events.append(ToolDelta(position, arguments, word(call.get("id")), word(function.get("name")), index))
    return events

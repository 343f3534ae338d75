"""What `POST /responses` answers: passed on untouched while its usage is read along, or read into events.

Wire format: vendors.md 1.2, openai 3.54.0, 2026-11-23. A stream is complete with `response.completed` or
`response.incomplete`, a whole answer with such a status.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from gateway import json, sse
from gateway.errors import UpstreamCut, UpstreamMalformed
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

from .errors import parse_object, stream_error
from .reading import bookkeeping, count, mapping, objects, text, word
from .responses import VENDOR

MAX_ANSWER_BYTES = 33_554_432
_ENDS = frozenset({"completed", "incomplete"})
_WORKING = frozenset({"queued", "in_progress"})  # of a call in the background: the answer is to be fetched later


def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    return _stream(call, response) if call.stream else _whole(call, response)


async def _whole(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    body = await read_all(response, MAX_ANSWER_BYTES)
    answer = parse_object(body)
    status = word(answer.get("status"))
    if "output" not in answer:
        raise UpstreamMalformed("the vendor's answer has no 'output'")
    items = objects(answer["output"], "output")
    if status not in _ENDS and not (call.is_verbatim and status in _WORKING | {"cancelled"}):
        raise stream_error(answer.get("error") or {"message": f"the vendor's answer has the status {status!r}"})
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    else:
        for event in _whole_events(items):
            yield event
    if isinstance(answer.get("usage"), dict):
        yield Usage(read_usage(answer["usage"]))
    yield Done(_reason(answer))


async def _stream(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    content_type = response.headers.get("content-type", "text/event-stream")
    if not content_type.startswith("text/event-stream"):
        raise UpstreamMalformed(f"the vendor answered {content_type[:60]!r} where a stream of events was asked for")
    items = _Items()
    async for event in sse.read(response.chunks):
        fields = _fields(event.data)
        kind = str(fields.get("type", ""))
        if call.is_verbatim:
            yield Verbatim(event.raw, kind.endswith(".delta") or kind in _FINAL, content_type)
        else:
            for read in items.read(kind, fields):
                yield read
        if kind in _FINAL:
            answer = mapping(fields.get("response"), "response")
            if isinstance(answer.get("usage"), dict):
                yield Usage(read_usage(answer["usage"]))
            yield Done(_reason(answer))
            return
    raise UpstreamCut("the vendor's stream ended before its event response.completed")


_FINAL = frozenset({"response.completed", "response.incomplete"})


def read_usage(usage: Mapping[str, Any]) -> Units:
    """Cached tokens are part of the input's and reasoning is part of the output's."""
    read = bookkeeping(usage.get("input_tokens_details"))
    written = bookkeeping(usage.get("output_tokens_details"))
    return Units(
        input_tokens=count(usage.get("input_tokens")),
        cached_input_tokens=count(read.get("cached_tokens")),
        cache_write_tokens=count(read.get("cache_write_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        reasoning_tokens=count(written.get("reasoning_tokens")),
    )


def _fields(data: bytes) -> dict[str, Any]:
    """Return an event's fields. Raises what an `error` or `response.failed` says."""
    if not data or data == b"[DONE]":  # a comment, or a mark that some vendors add
        return {}
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise UpstreamMalformed("an event of the vendor's stream is not JSON") from error
    if not isinstance(fields, dict):
        raise UpstreamMalformed("an event of the vendor's stream is not a JSON object")
    if fields.get("type") == "error" or (fields.get("error") and "type" not in fields):
        raise stream_error(fields.get("error") or fields)
    if fields.get("type") == "response.failed":
        raise stream_error(mapping(fields.get("response"), "response").get("error") or {})
    return fields


def _reason(answer: Mapping[str, Any]) -> FinishReason:
    if answer.get("status") == "incomplete":
        reason = bookkeeping(answer.get("incomplete_details")).get("reason")
        return "content_filter" if reason == "content_filter" else "length"
    calls = any(item.get("type") == "function_call" for item in objects(answer.get("output"), "output"))
    return "tool_calls" if calls else "stop"


def _whole_events(items: list[dict[str, Any]]) -> Iterator[Event]:
    position = 0
    for item in items:
        match item.get("type"):
            case "message":
                for part in objects(item.get("content"), "content"):
                    said = text(part.get("text") or part.get("refusal"), "text")
                    if said:
                        yield TextDelta(said)
            case "function_call":
                yield _call(position, item)
                position += 1
            case "reasoning":
                yield ThinkingDelta(_summary(item), _signature(item), vendor=VENDOR, is_new=True)


class _Items:
    """Which output item is which tool call."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def read(self, kind: str, fields: Mapping[str, Any]) -> Iterator[Event]:
        match kind:
            case "response.output_text.delta" | "response.refusal.delta":
                yield TextDelta(str(fields.get("delta", "")))
            case "response.output_item.added":
                yield from self._added(mapping(fields.get("item"), "item"), count(fields.get("output_index")))
            case "response.function_call_arguments.delta":
                yield ToolDelta(self._calls.get(count(fields.get("output_index")), 0), str(fields.get("delta", "")))
            case "response.reasoning_summary_text.delta":
                yield ThinkingDelta(str(fields.get("delta", "")), vendor=VENDOR)
            case "response.reasoning_summary_part.added" if fields.get("summary_index"):
                yield ThinkingDelta("\n\n", vendor=VENDOR)
            case "response.output_item.done":
                item = mapping(fields.get("item"), "item")
                if item.get("type") == "reasoning" and (signature := _signature(item)) is not None:
                    yield ThinkingDelta("", signature, vendor=VENDOR)

    def _added(self, item: Mapping[str, Any], index: int) -> Iterator[Event]:
        if item.get("type") == "function_call":
            position = self._calls[index] = len(self._calls)
            yield _call(position, item)
        elif item.get("type") == "reasoning":
            yield ThinkingDelta(vendor=VENDOR, is_new=True)


def _call(position: int, item: Mapping[str, Any]) -> ToolDelta:
    arguments = text(item.get("arguments"), "arguments")
    return ToolDelta(position, arguments, word(item.get("call_id")), word(item.get("name")))


def _summary(item: Mapping[str, Any]) -> str:
    return "\n\n".join(str(part.get("text", "")) for part in objects(item.get("summary"), "summary"))


def _signature(item: Mapping[str, Any]) -> str | None:
    """What has to come back with the reasoning; None where the vendor sealed nothing: then it cannot."""
    if not item.get("encrypted_content"):
        return None
    return json.dumps({"id": item.get("id"), "encrypted_content": item["encrypted_content"]}).decode()

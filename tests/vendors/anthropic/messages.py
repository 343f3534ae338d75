"""POST /messages, unary and streamed, and POST /messages/count_tokens. Wire format: vendors.md 2 (anthropic 2.12.0)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.vendors.answers import Answer
from tests.vendors.anthropic.errors import JSON_HEADERS
from tests.vendors.anthropic.limits import check_limits
from tests.vendors.anthropic.models import ModelRule, find_model
from tests.vendors.anthropic.requests import Kind, check_schema, json_body, version_of
from tests.vendors.anthropic.saying import Said, say
from tests.vendors.anthropic.usage import PromptCache, prompt_tokens, usage_of
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact, data_event

SSE_HEADERS = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
PIECE = re.compile(r"\s*\S+|\s+")  # a streamed piece: a word with the space before it
ARGUMENT_PIECE_CHARS = 8


def message_answer(record: RequestRecord, identity: str, cache: PromptCache) -> Answer:
    """Return the answer to a request for a message; raises Refusal."""
    body, rule = _checked(record, is_count=False)
    said = say(body, rule, identity)
    usage = usage_of(body, said, cache.look_up(body))
    message = {
        "id": f"msg_{record.number:08d}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": list(said.content),
        "stop_reason": said.stop_reason,
        "stop_sequence": said.stop_sequence,
        "usage": usage,
    }
    if not body.get("stream"):
        return Answer(200, JSON_HEADERS, (compact(message),))
    return Answer(200, SSE_HEADERS, tuple(_stream(message, said)), _named({"type": "message_stop"}), is_streamed=True)


def count_answer(record: RequestRecord) -> Answer:
    """Return how many tokens the input has; raises Refusal."""
    body, _ = _checked(record, is_count=True)
    return Answer(200, JSON_HEADERS, (compact({"input_tokens": prompt_tokens(body)}),))


def _checked(record: RequestRecord, *, is_count: bool) -> tuple[dict[str, Any], ModelRule]:
    version = version_of(record)
    body = json_body(record)
    record.model = body.get("model") if isinstance(body.get("model"), str) else None
    kind: Kind = "count" if is_count else "stream" if body.get("stream") is True else "message"
    check_schema(body, kind, version)
    rule = find_model(body["model"])
    check_limits(body, rule, version)
    return body, rule


def _stream(message: dict[str, Any], said: Said) -> Iterator[bytes]:
    """Yield the events but for the last: counts are cumulative, and a ping may come anywhere."""
    begun = message["usage"] | {"output_tokens": 1, "output_tokens_details": {"thinking_tokens": 0}}
    start = message | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": begun}
    yield _named({"type": "message_start", "message": start})
    for index, block in enumerate(said.content):
        yield _named({"type": "content_block_start", "index": index, "content_block": _empty(block)})
        if index == 0:
            yield _named({"type": "ping"})
        for delta in _deltas(block):
            yield _named({"type": "content_block_delta", "index": index, "delta": delta})
        yield _named({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": said.stop_reason, "stop_sequence": said.stop_sequence}
    usage = {key: value for key, value in message["usage"].items() if key not in ("cache_creation", "service_tier")}
    yield _named({"type": "message_delta", "delta": delta, "usage": usage})


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    """A block as it begins; what is redacted comes whole."""
    match block["type"]:
        case "text":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool_use":
            return block | {"input": {}}
    return block


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match block["type"]:
        case "text":
            for piece in PIECE.findall(block["text"]):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in PIECE.findall(block["thinking"]):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            text = compact(block["input"]).decode()
            for start in range(0, len(text), ARGUMENT_PIECE_CHARS):
                yield {"type": "input_json_delta", "partial_json": text[start : start + ARGUMENT_PIECE_CHARS]}
        case _:
            pass


def _named(value: dict[str, Any]) -> bytes:
    return data_event(value, value["type"])

"""POST /chat/completions, unary and streamed. Wire format: vendors.md 1.1 (openai 3.54.0)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from openai.types.chat import completion_create_params as params

from tests.vendors.answers import Answer
from tests.vendors.openai.chat_choices import Choice, choices_of
from tests.vendors.openai.chat_limits import check_limits
from tests.vendors.openai.chat_usage import PromptCache, chat_usage
from tests.vendors.openai.errors import JSON_HEADERS
from tests.vendors.openai.models import CREATED_AT, model_for
from tests.vendors.openai.requests import check_schema, json_body
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact, data_event
from tests.vendors.strict import StrictValidator

SSE_HEADERS = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
DONE = b"data: [DONE]\n\n"
PIECE = re.compile(r"\s*\S+|\s+")  # a streamed piece: a word with the space before it
ARGUMENT_PIECE_CHARS = 8
OBFUSCATION_CHARS = 16  # the live API pads events to equal lengths; here the padding only fills up to this


def chat_answer(record: RequestRecord, identity: str, prompts: PromptCache) -> Answer:
    """Return the answer to a chat request; raises Refusal."""
    body = json_body(record)
    record.model = body.get("model") if isinstance(body.get("model"), str) else None
    check_schema(_validator(is_streaming=body.get("stream") is True), body)
    rule = model_for("chat", body["model"])
    check_limits(body, rule)
    choices = choices_of(body, rule, identity)
    usage = chat_usage(body, rule, choices, prompts.cached_tokens(body))
    common = {
        "id": f"chatcmpl-{record.number:08d}",
        "created": CREATED_AT,
        "model": body["model"],
        "service_tier": _tier(body.get("service_tier")),
        "system_fingerprint": f"fp_{identity}",
    }
    if body.get("stream"):
        events = tuple(_stream(body, common, choices, usage))
        return Answer(200, SSE_HEADERS, events, DONE, is_streamed=True)
    answers = [_unary_choice(choice, body) for choice in choices]
    reply = {**common, "object": "chat.completion", "choices": answers, "usage": usage}
    return Answer(200, JSON_HEADERS, (compact(reply),))


@cache
def _validator(*, is_streaming: bool) -> StrictValidator:
    kind = params.CompletionCreateParamsStreaming if is_streaming else params.CompletionCreateParamsNonStreaming
    return StrictValidator(kind)


def _unary_choice(choice: Choice, body: Mapping[str, Any]) -> dict[str, Any]:
    said = {"content": choice.content, "refusal": choice.refusal}
    message: dict[str, Any] = {"role": "assistant", **said, "annotations": []}
    if choice.tool_calls:
        message["tool_calls"] = [call.as_json() for call in choice.tool_calls]
    logprobs = _logprobs(_pieces(choice.content or ""), body)
    return {"index": choice.index, "message": message, "logprobs": logprobs, "finish_reason": choice.finish_reason}


def _stream(
    body: Mapping[str, Any], common: Mapping[str, Any], choices: Sequence[Choice], usage: Mapping[str, Any]
) -> Iterator[bytes]:
    """Yield the role of every choice, their pieces in turn, their ends, then the usage when asked for."""
    options = body.get("stream_options") or {}
    is_padded = options.get("include_obfuscation") is not False
    tail = {"usage": None} if options.get("include_usage") else {}
    head = {**common, "object": "chat.completion.chunk"}

    def chunk(choice: Choice, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        logprobs = _logprobs([delta["content"]], body) if delta.get("content") else None
        part = {"index": choice.index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        padding = {"obfuscation": "x" * (OBFUSCATION_CHARS - len(str(delta)) % OBFUSCATION_CHARS)} if is_padded else {}
        return data_event({**head, "choices": [part], **tail, **padding})

    for choice in choices:
        content = None if choice.tool_calls or choice.refusal else ""
        yield chunk(choice, {"role": "assistant", "content": content, "refusal": None})
    queues = [(choice, list(_deltas(choice))) for choice in choices]
    for turn in range(max(len(deltas) for _, deltas in queues)):
        for choice, deltas in queues:
            if turn < len(deltas):
                yield chunk(choice, deltas[turn])
    for choice in choices:
        yield chunk(choice, {}, choice.finish_reason)
    if options.get("include_usage"):
        yield data_event({**head, "choices": [], "usage": usage})


def _deltas(choice: Choice) -> Iterator[dict[str, Any]]:
    for piece in _pieces(choice.content or ""):
        yield {"content": piece}
    for piece in _pieces(choice.refusal or ""):
        yield {"refusal": piece}
    for index, call in enumerate(choice.tool_calls):
        function = {"name": call.name, "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]}
        for start in range(0, len(call.arguments), ARGUMENT_PIECE_CHARS):
            piece = call.arguments[start : start + ARGUMENT_PIECE_CHARS]
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str) -> list[str]:
    return PIECE.findall(text)


def _logprobs(pieces: Sequence[str], body: Mapping[str, Any]) -> dict[str, Any] | None:
    if not body.get("logprobs"):
        return None
    top = body.get("top_logprobs") or 0

    def entry(token: str, logprob: float) -> dict[str, Any]:
        return {"token": token, "logprob": logprob, "bytes": list(token.encode())}

    content = [
        entry(piece, -0.1) | {"top_logprobs": [entry(piece, -0.1 - rank) for rank in range(top)]} for piece in pieces
    ]
    return {"content": content, "refusal": None}


def _tier(wanted: str | None) -> str:
    return "default" if wanted in (None, "auto") else wanted

"""Gemini's `:batchEmbedContents` and `:embedContent`; the path's verb tells them apart, as at Google.

Wire format: vendors.md 3, 2026-11-23.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from gateway import json
from gateway.dialects.gemini_errors import encode_json_error
from gateway.dialects.gemini_generate_answer import JSON
from gateway.dialects.gemini_proto import Proto, model_of, parse_message
from gateway.errors import GatewayError
from gateway.types import (
    Ask,
    Call,
    Embeddings,
    Event,
    Head,
    Inbound,
    Operation,
    Rendered,
    Units,
    Usage,
    Vector,
    Verbatim,
)

MAX_INPUTS = 100  # of one batch, as Google has it
_SHARED = ("taskType", "title")
_TASKS = (
    "TASK_TYPE_UNSPECIFIED", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT", "SEMANTIC_SIMILARITY", "CLASSIFICATION",
    "CLUSTERING", "QUESTION_ANSWERING", "FACT_VERIFICATION", "CODE_RETRIEVAL_QUERY",
)  # fmt: skip


class GeminiEmbed:
    name = "gemini.embed"
    operation: Operation = "embeddings"
    takes_form = False

    def decode(self, inbound: Inbound) -> Ask:
        model = model_of(inbound.head)
        fields = parse_message(inbound.body)
        if is_single(inbound.head):
            return Ask(model, _embeddings([fields]))
        fields.require("requests")
        return Ask(model, _embeddings(list(fields.objects("requests", low=1, high=MAX_INPUTS))))

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        units = Units()
        vectors: list[dict[str, Any]] = []
        async for event in events:
            if isinstance(event, Verbatim):
                rest = [later.data async for later in events if isinstance(later, Verbatim)]
                return Rendered(event.content_type or JSON, b"".join([event.data, *rest]))
            if isinstance(event, Vector):
                vectors.append({"values": list(event.values)})
            elif isinstance(event, Usage):
                units = event.units
        answer: dict[str, Any] = {"embedding": vectors[0]} if is_single(call.head) else {"embeddings": vectors}
        if units.input_tokens:
            answer["usageMetadata"] = {"promptTokenCount": units.input_tokens}
        return Rendered(JSON, json.dumps(answer))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)


def is_single(head: Head) -> bool:
    return head.path.endswith(":embedContent")


def _embeddings(requests: list[Proto]) -> Embeddings:
    """Return the texts; what a batch says beside them has to be the same for all, as the normal form says it once."""
    first = requests[0]
    dimensions = first.integer("outputDimensionality", 1, 65_536)
    shared = _shared(first)
    for request in requests[1:]:
        if request.integer("outputDimensionality", 1, 65_536) != dimensions or _shared(request) != shared:
            raise request.error("outputDimensionality", "and 'taskType' and 'title' must be the same in a whole batch")
    return Embeddings(tuple(_text(request) for request in requests), dimensions, extra=shared)


def _shared(request: Proto) -> dict[str, Any]:
    request.enum("taskType", _TASKS)
    return {key: request.raw[key] for key in _SHARED if request.raw.get(key) is not None}


def _text(request: Proto) -> str:
    request.require("content")
    content = request.object("content")
    parts: Iterable[Proto] = content.objects("parts") if content is not None else ()
    text = "".join(part.string("text") or "" for part in parts)
    if not text:
        raise request.error("content", "must hold a text")
    return text

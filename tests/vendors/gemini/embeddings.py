"""`:embedContent` and `:batchEmbedContents`: vectors of unit length drawn from the text's hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.vendors.answers import Answer
from tests.vendors.gemini.errors import JSON_HEADERS, Refusal, bad_field
from tests.vendors.gemini.models import ModelRule, find_model
from tests.vendors.gemini.schema import checked_body
from tests.vendors.openai.embeddings import vector_of
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact
from tests.vendors.tokens import count_tokens

MAX_REQUESTS = 100


def embed_answer(record: RequestRecord, model: str) -> Answer:
    """Return one embedding; raises Refusal."""
    rule = find_model(model, "embeddings")
    body = checked_body(record, "embedContent")
    return Answer(200, JSON_HEADERS, (compact({"embedding": _embedding(body, model, rule, is_named=False)}),))


def batch_answer(record: RequestRecord, model: str) -> Answer:
    """Return the embeddings of a batch, in its order and without usage; raises Refusal."""
    rule = find_model(model, "embeddings")
    requests = checked_body(record, "batchEmbedContents").get("requests") or []
    if not 1 <= len(requests) <= MAX_REQUESTS:
        raise bad_field("BatchEmbedContentsRequest.requests", f"at most {MAX_REQUESTS} requests can be in one batch")
    embeddings = [_embedding(request, model, rule, is_named=True) for request in requests]
    return Answer(200, JSON_HEADERS, (compact({"embeddings": embeddings}),))


def _embedding(request: Mapping[str, Any], model: str, rule: ModelRule, *, is_named: bool) -> dict[str, Any]:
    named = request.get("model")
    if (is_named or named) and named != f"models/{model}":
        raise bad_field("EmbedContentRequest.model", f"does not match the model of the URL: {named!r}")
    parts = (request.get("content") or {}).get("parts") or []
    text = "".join(part.get("text", "") for part in parts)
    if not text:
        raise bad_field("EmbedContentRequest.content", "empty text parameter")
    if count_tokens(text) > rule.input_tokens:
        raise Refusal(f"Unable to submit request because the input token count exceeds {rule.input_tokens}.")
    length = request.get("outputDimensionality", rule.dimensions)
    if not 1 <= length <= rule.dimensions:
        raise bad_field("EmbedContentRequest.output_dimensionality", f"must be in the range [1, {rule.dimensions}]")
    return {"values": vector_of(text, length)}

"""Embeddings as Gemini takes and gives them (vendors.md 3, 2026-11-23). It reports no usage for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.errors import UnsupportedByTarget, UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import Call, Done, Embeddings, Event, Target, Units, UpstreamResponse, Usage, Vector, Verbatim

from .errors import parse_object
from .names import resource
from .splice import splice_model

MAX_INPUTS = 100  # "at most 100 requests can be in one batch"
MAX_ANSWER_BYTES = 33_554_432  # 100 vectors of 3,072 numbers written out as text
_SHARED = ("taskType", "title")  # of a request; a client of this format gives them, the normal form has no place


def refusal(body: Embeddings) -> str | None:
    if any(not isinstance(item, str) for item in body.inputs):
        return "embeds texts, not token ids"
    if len(body.inputs) > MAX_INPUTS:
        return f"embeds at most {MAX_INPUTS} texts at once, not {len(body.inputs)}"
    return None


def verb(call: Call) -> str:
    """Return the method: the client's own where its bytes are sent on, else the one for many."""
    is_single = call.is_verbatim and call.head.path.endswith(":embedContent")
    return "embedContent" if is_single else "batchEmbedContents"


def build(call: Call, target: Target) -> bytes:
    assert isinstance(call.body, Embeddings)
    if call.is_verbatim:
        return splice_model(call.raw or b"", resource(target), depth=1 if verb(call) == "embedContent" else 3)
    shared: dict[str, Any] = {"model": resource(target)}
    if call.body.dimensions is not None:
        shared["outputDimensionality"] = call.body.dimensions
    if call.dialect == "gemini.embed":
        shared |= {key: call.body.extra[key] for key in _SHARED if key in call.body.extra}
    return json.dumps({"requests": [shared | {"content": _content(item)} for item in call.body.inputs]})


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    body = await read_all(response, MAX_ANSWER_BYTES)
    answer = parse_object(body)
    vectors = [answer["embedding"]] if "embedding" in answer else answer.get("embeddings")
    if not isinstance(vectors, list):
        raise UpstreamMalformed("the vendor's answer has no 'embeddings'")
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    else:
        for index, vector in enumerate(vectors):
            yield Vector(index, _values(vector))
    usage = answer.get("usageMetadata")
    if isinstance(usage, dict) and usage.get("promptTokenCount"):
        yield Usage(Units(input_tokens=usage["promptTokenCount"]))
    yield Done()


def _content(item: str | tuple[int, ...]) -> dict[str, Any]:
    if not isinstance(item, str):
        raise UnsupportedByTarget("Gemini embeds texts, not token ids", param="input")
    return {"parts": [{"text": item}]}


def _values(vector: Any) -> tuple[float, ...]:
    values = vector.get("values") if isinstance(vector, dict) else None
    if not isinstance(values, list):
        raise UpstreamMalformed("an embedding of the vendor's answer has no 'values'")
    return tuple(values)

"""Embeddings as OpenAI takes and gives them (vendors.md 1.3, 2026-11-23)."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.errors import UpstreamMalformed
from gateway.plugin import read_all
from gateway.types import Call, Done, Embeddings, Event, Target, Units, UpstreamResponse, Usage, Vector, Verbatim

from .errors import parse_object
from .reading import count, numbers, objects
from .splice import splice_model

MAX_ANSWER_BYTES = 134_217_728  # 2,048 vectors of 3,072 numbers written out as text


def build(call: Call, target: Target) -> bytes:
    assert isinstance(call.body, Embeddings)
    if call.is_verbatim:
        return splice_model(call, target)
    inputs = [item if isinstance(item, str) else list(item) for item in call.body.inputs]
    body: dict[str, Any] = {"model": target.model.name, "input": inputs, "encoding_format": "base64"}
    if call.body.dimensions is not None:
        body["dimensions"] = call.body.dimensions
    return json.dumps(body)


async def parse(call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
    body = await read_all(response, MAX_ANSWER_BYTES)
    answer = parse_object(body)
    data = answer.get("data")
    if not isinstance(data, list):
        raise UpstreamMalformed("the vendor's answer has no 'data'")
    if call.is_verbatim:
        yield Verbatim(body, content_type=response.headers.get("content-type", "application/json"))
    else:
        for item in objects(data, "data"):
            yield Vector(count(item.get("index")), _values(item.get("embedding")))
    usage = answer.get("usage")
    if isinstance(usage, dict):
        yield Usage(Units(input_tokens=count(usage.get("prompt_tokens"))))
    yield Done()


def _values(embedding: Any) -> list[float]:
    if isinstance(embedding, list):
        return numbers(embedding, "embedding")
    try:
        data = base64.b64decode(embedding, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    except (TypeError, ValueError, struct.error) as error:
        raise UpstreamMalformed("an embedding of the vendor's answer is neither numbers nor base64") from error

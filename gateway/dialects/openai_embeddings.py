"""OpenAI embeddings: `POST /v1/embeddings`. Wire format: vendors.md 1.3, 2026-11-23."""

from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Any

from gateway import json
from gateway.dialects.fields import Fields, kind, parse_object
from gateway.dialects.openai_errors import encode_json_error
from gateway.errors import GatewayError
from gateway.types import Ask, Call, Embeddings, Event, Inbound, Operation, Rendered, Units, Usage, Vector, Verbatim

MAX_INPUTS = 2048  # per request, as OpenAI has it
MAX_TOKENS = 100_000  # of one input: what a model cannot take is for its vendor to refuse; this bounds our memory
_KNOWN = frozenset({"model", "input", "dimensions", "encoding_format", "user"})


class OpenAIEmbeddings:
    name = "openai.embeddings"
    operation: Operation = "embeddings"
    takes_form = False
    indifferent = frozenset({"user"})

    def decode(self, inbound: Inbound) -> Ask:
        fields = parse_object(inbound.body)
        encoding = fields.string("encoding_format", choices=("float", "base64"))
        body = Embeddings(
            inputs=_inputs(fields),
            dimensions=fields.integer("dimensions", 1, 65_536),
            encoding="base64" if encoding == "base64" else "float",
            user=fields.string("user"),
            extra=fields.rest(_KNOWN),
        )
        return Ask(fields.string("model") or "", body)

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        assert isinstance(call.body, Embeddings)
        units = Units()
        vectors: list[Vector] = []
        async for event in events:
            if isinstance(event, Verbatim):
                rest = [later.data async for later in events if isinstance(later, Verbatim)]
                return Rendered("application/json", b"".join([event.data, *rest]))
            if isinstance(event, Vector):
                vectors.append(event)
            elif isinstance(event, Usage):
                units = event.units
        encode = _base64 if call.body.encoding == "base64" else list
        answer = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": vector.index, "embedding": encode(vector.values)} for vector in vectors
            ],
            "model": call.receipt.last.target.partition("/")[2] if call.receipt.last else call.model,
            "usage": {"prompt_tokens": units.input_tokens, "total_tokens": units.input_tokens},
        }
        return Rendered("application/json", json.dumps(answer))

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_json_error(error, request_id)


def _base64(values: Sequence[float]) -> str:
    """Little-endian float32, as the official Python client asks for by default."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def _inputs(fields: Fields) -> tuple[str | tuple[int, ...], ...]:
    value = fields.require("input")
    if isinstance(value, str):
        if not value:
            raise fields.error("input", "must not be empty")
        return (value,)
    items = fields.array("input", low=1, high=MAX_TOKENS) or []
    if all(_is_token(item) for item in items):
        return (tuple(items),)
    if len(items) > MAX_INPUTS:
        raise fields.error("input", f"must have at most {MAX_INPUTS} items; it has {len(items)}")
    return tuple(_input(fields, index, item) for index, item in enumerate(items))


def _input(fields: Fields, index: int, item: Any) -> str | tuple[int, ...]:
    key = f"input[{index}]"
    if isinstance(item, str):
        if not item:
            raise fields.error(key, "must not be empty")
        return item
    if isinstance(item, list) and item and all(_is_token(token) for token in item):
        if len(item) > MAX_TOKENS:
            raise fields.error(key, f"must have at most {MAX_TOKENS} tokens; it has {len(item)}")
        return tuple(item)
    raise fields.error(key, f"must be a string or an array of token ids, not {kind(item)}")


def _is_token(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and item >= 0

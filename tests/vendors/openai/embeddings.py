"""POST /embeddings: vectors of unit length drawn from the input's hash. Wire format: vendors.md 1.3 (openai 3.54.0)."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from functools import cache, lru_cache
from typing import Any

from openai.types.embedding_create_params import EmbeddingCreateParams

from tests.vendors.answers import Answer
from tests.vendors.openai.errors import JSON_HEADERS, Refusal
from tests.vendors.openai.models import ModelRule, model_for
from tests.vendors.openai.requests import Range, check_count, check_ranges, check_schema, json_body
from tests.vendors.recording import RequestRecord
from tests.vendors.sse import compact
from tests.vendors.strict import StrictValidator
from tests.vendors.tokens import count_tokens

MAX_ITEMS = 2048
MAX_TOKENS_PER_ITEM = 8192
MAX_TOKENS_PER_REQUEST = 300_000


def embeddings_answer(record: RequestRecord) -> Answer:
    """Return the answer to an embeddings request; raises Refusal."""
    body = json_body(record)
    record.model = body.get("model") if isinstance(body.get("model"), str) else None
    check_schema(_validator(), body)
    rule = model_for("embeddings", body["model"])
    items = _items(body["input"])
    tokens = [_checked_tokens(item) for item in items]
    if sum(tokens) > MAX_TOKENS_PER_REQUEST:
        raise Refusal(f"Invalid 'input': maximum request size is {MAX_TOKENS_PER_REQUEST} tokens per request.", "input")
    length = _length(body, rule)
    is_base64 = body.get("encoding_format") == "base64"
    vectors = [vector_of(item, length) for item in items]
    data = [
        {"object": "embedding", "index": index, "embedding": encode_floats(vector) if is_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
    reply = {"object": "list", "data": data, "model": body["model"], "usage": usage}
    return Answer(200, JSON_HEADERS, (compact(reply),))


def item_tokens(item: str | list[int]) -> int:
    """Return the tokens of one input: counted for text, given for token arrays."""
    return count_tokens(item) if isinstance(item, str) else len(item)


def vector_of(item: str | list[int], length: int) -> list[float]:
    """Return the item's vector: the same for the same item, of length 1, exact in 32 bits."""
    return list(_vector(item if isinstance(item, str) else repr(item), length))


def encode_floats(vector: list[float]) -> str:
    """Return a vector as base64 of little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


@cache
def _validator() -> StrictValidator:
    return StrictValidator(EmbeddingCreateParams)


@lru_cache(maxsize=256)
def _vector(seed: str, length: int) -> tuple[float, ...]:
    stream = hashlib.shake_256(seed.encode()).digest(2 * length)
    raw = [value - 32767.5 for value in struct.unpack(f"<{length}H", stream)]
    norm = math.sqrt(sum(value * value for value in raw))
    as_float32 = struct.pack(f"<{length}f", *(value / norm for value in raw))
    return struct.unpack(f"<{length}f", as_float32)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value]
    items = [value] if value and isinstance(value[0], int) else value
    check_count("input", len(items), 1, MAX_ITEMS)
    return list(items)


def _checked_tokens(item: str | list[int]) -> int:
    tokens = item_tokens(item)
    if tokens == 0:
        raise Refusal("Invalid 'input': input cannot be an empty string.", "input")
    if tokens > MAX_TOKENS_PER_ITEM:
        text = f"This model's maximum context length is {MAX_TOKENS_PER_ITEM} tokens, however you requested {tokens}."
        raise Refusal(text, "input")
    return tokens


def _length(body: dict[str, Any], rule: ModelRule) -> int:
    wanted = body.get("dimensions")
    if wanted is None:
        return rule.dimensions
    if not rule.can_shorten:
        raise Refusal("This model does not support specifying dimensions.", "dimensions")
    check_ranges(body, {"dimensions": Range(1, rule.dimensions)})
    return int(wanted)

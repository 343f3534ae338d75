"""What the gateway's own endpoints share: the fields around every answer, the shape of errors, and strict reading."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from gateway import json
from gateway.config.names import unknown
from gateway.dialects.fields import Fields, parse_object
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import NANO_USD, Call, Receipt, Units

JSON = "application/json"


def read_fields(body: bytes, known: Collection[str]) -> Fields:
    """Return the fields of a JSON object that has none but `known`: a typing mistake is told, not passed over."""
    fields = parse_object(body)
    for name in fields.raw:
        if name not in known:
            raise fields.error(name[:60], f"is not a field of this endpoint{unknown(name[:60], known)}")
    return fields


def spoken_text(fields: Fields, key: str, max_chars: int) -> str:
    """Return a required text that has something in it."""
    text = fields.required_string(key)
    if not text.strip():
        raise fields.error(key, "must have something in it; it is empty or only spaces")
    if len(text) > max_chars:
        raise fields.error(key, f"must have at most {max_chars} characters; it has {len(text)}")
    return text


def answer(call: Call, result: dict[str, Any], metadata: dict[str, Any]) -> bytes:
    """Return the whole answer. To be called once the events are at their end: what it cost is settled there."""
    last = call.receipt.last
    provider, _, model = last.target.partition("/") if last is not None else ("", "", "")
    said = {"model": model, "request_id": call.id, "cache": call.receipt.cache, **metadata}
    dropped = call.receipt.headers.get("x-gateway-dropped")
    if dropped is not None:
        said["dropped"] = dropped.split(",")
    return json.dumps(
        {
            "success": True,
            **result,
            "provider": provider,
            "response_time_ms": round((time.monotonic() - call.receipt.started_s) * 1000, 1),
            "cost_usd": cost_usd(call.receipt),
            "metadata": {name: value for name, value in said.items() if value is not None},
        }
    )


def cost_usd(receipt: Receipt) -> float | None:
    """Return what all attempts cost together, 0 for what came from memory, None where a price is not known."""
    if receipt.cache == "hit":
        return 0.0
    if any(attempt.is_unpriced for attempt in receipt.attempts):
        return None
    cost = receipt.cost_nano_usd
    return None if cost is None else cost / NANO_USD


def usage(units: Units) -> dict[str, int]:
    """Return the tokens; cached ones are part of the input, reasoning is part of the output."""
    return {
        "input_tokens": units.input_tokens,
        "output_tokens": units.output_tokens,
        "total_tokens": units.input_tokens + units.output_tokens,
        "cached_input_tokens": units.cached_input_tokens,
        "reasoning_tokens": units.reasoning_tokens,
    }


def encode_error(error: GatewayError, request_id: str) -> bytes:
    """Return `{"success": false, "error": {code, message, param, request_id}}`."""
    return json.dumps(
        {
            "success": False,
            "error": {
                "code": error.code,
                "message": error.message,
                "param": error.param,
                "request_id": request_id,
            },
        }
    )


class Native:
    """The errors of every endpoint of our own."""

    takes_form = False

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return encode_error(error, request_id)


def one_of(value: str | None, name: str, choices: tuple[str, ...]) -> str | None:
    """Return a form's or a query's value if it is one of `choices`."""
    if value is not None and value not in choices:
        raise InvalidRequest(f"'{name}' must be one of {', '.join(choices)}; it is {value[:60]!r}", param=name)
    return value

"""What an operator may set for a sandbox model: pace, vector size, and which failure it plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_DIMENSIONS = 4096

OPTIONS_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "tokens_per_s": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Chat: how many tokens of output stream in a second. Unset: as fast as they are read.",
        },
        "first_delay_s": {
            "type": "number",
            "minimum": 0,
            "default": 0,
            "description": "Seconds before the first content of an answer.",
        },
        "realtime_factor": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Speech: seconds of audio sent in a second; 1 is as fast as it plays. Unset: unpaced.",
        },
        "dimensions": {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_DIMENSIONS,
            "default": 256,
            "description": "Embeddings: length of a vector where the client does not say.",
        },
        "fault": {
            "enum": ["rate_limited", "server_error", "slow_first", "stall", "cut", "malformed", "refuse", "silent"],
            "description": "Fail in this way instead of answering; see docs/sandbox.md.",
        },
        "status": {
            "type": "integer",
            "minimum": 400,
            "maximum": 599,
            "default": 500,
            "description": "Fault server_error: the HTTP status of the answer.",
        },
        "retry_after_s": {
            "type": "integer",
            "minimum": 0,
            "description": "Faults rate_limited and server_error: the Retry-After header. Unset: no such header.",
        },
        "delay_s": {
            "type": "number",
            "minimum": 0,
            "default": 30,
            "description": "Fault slow_first: seconds between the answer's head and its first content.",
        },
        "after_events": {
            "type": "integer",
            "minimum": 0,
            "default": 1,
            "description": "Faults stall, cut and malformed: content events that arrive before it happens.",
        },
    },
}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one model, checked by `OPTIONS_SCHEMA`, with its defaults."""

    tokens_per_s: float | None = None
    first_delay_s: float = 0.0
    realtime_factor: float | None = None
    dimensions: int = 256
    fault: str | None = None
    status: int = 500
    retry_after_s: int | None = None
    delay_s: float = 30.0
    after_events: int = 1


def read_options(values: Mapping[str, Any]) -> Options:
    """Return the options in `values`; keys of others are passed over."""
    kinds = {key: rules.get("type") for key, rules in OPTIONS_SCHEMA["properties"].items()}
    known: dict[str, Any] = {key: value for key, value in values.items() if key in kinds}
    for key, value in known.items():
        if kinds[key] == "integer":
            known[key] = int(value)  # 3.0 is an integer to JSON Schema, and a float to Python
    return Options(**known)

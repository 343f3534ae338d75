"""The client's own bytes with the vendor's names put in: everything else goes out as it came."""

from __future__ import annotations

from gateway import json
from gateway.types import Call, Target


def splice_model(call: Call, target: Target) -> bytes:
    """Return the body with `model` set to the target's."""
    raw = call.raw or b""
    if b'"model"' in raw or b"\\u00" in raw:
        return json.replace_string(raw, "model", target.model.name)
    return json.insert_member(raw, "model", target.model.name)

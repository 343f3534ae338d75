"""The client's own bytes with the vendor's names put in: everything else goes out as it came."""

from __future__ import annotations

from gateway import json
from gateway.types import Call, Target


def splice_model(call: Call, target: Target) -> bytes:
    """Return the body with `model` set to the target's."""
    return json.set_string(call.raw or b"", "model", target.model.name)

"""Server-sent events as simulators write them: compact JSON, one `data:` line."""

from __future__ import annotations

import json
from typing import Any


def compact(value: Any) -> bytes:
    """Return JSON without spaces, in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def data_event(value: Any, name: str | None = None) -> bytes:
    """Return one event, with an `event:` line when it has a name."""
    prefix = f"event: {name}\n".encode() if name else b""
    return prefix + b"data: " + compact(value) + b"\n\n"

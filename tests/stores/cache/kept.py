"""Entries and keys to test with."""

from __future__ import annotations

import hashlib
from typing import Any

from gateway.stores.cache import Entry, Key
from gateway.types import Done, TextDelta

NOW = 1_000_000.0


def key(name: str = "a", tenant: str = "tenant-1", route: str = "POST /v1/chat/completions", slot: str = "") -> Key:
    return Key(hashlib.sha256(name.encode()).hexdigest(), tenant, route, slot)


def entry(size_bytes: int = 30, text: str = "", *, ttl_s: float = 60.0, now: float = NOW, **more: Any) -> Entry:
    given: dict[str, Any] = {
        "events": (TextDelta(text), Done()),
        "target": "vendor/model",
        "size_bytes": size_bytes,
    } | more
    return Entry(stored_at=now, fresh_until=now + ttl_s, kept_until=now + ttl_s, **given)


def text_of(found: Entry | None) -> str | None:
    if found is None:
        return None
    event = found.events[0]
    assert isinstance(event, TextDelta)
    return event.text

"""What is told of a key: everything but its digest."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway import json
from gateway.stores.keys.store import StoredKey
from gateway.types import Scopes


def facts(key: StoredKey, now: float) -> dict[str, object]:
    """Return a key as JSON has it; a part of its scopes that is not there means everything."""
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role,
        "state": state(key, now),
        "scopes": scopes_of(key.scopes),
        "limits": json.loads(key.limits),
        "tags": json.loads(key.tags),
        "created_at": in_utc(key.created_at),
        "expires_at": None if key.expires_at is None else in_utc(key.expires_at),
        "revoked_at": None if key.revoked_at is None else in_utc(key.revoked_at),
    }


def scopes_of(scopes: Scopes) -> dict[str, list[str]]:
    return {part: list(values) for part in Scopes.__slots__ if (values := getattr(scopes, part))}


def state(key: StoredKey, now: float) -> str:
    """Return `valid`, `expired` or `revoked`."""
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.expires_at is None or key.expires_at > now else "expired"


def in_utc(at: float) -> str:
    """Return a moment of the epoch as RFC 3339 has it, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

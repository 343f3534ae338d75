"""The tables, by version. Each version is applied once, in one transaction with its number, whatever the database."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.stores.database.protocol import LedgerAway

# Where the two do not write the same.
SQLITE: Mapping[str, str] = MappingProxyType(
    {"numbered": "INTEGER PRIMARY KEY AUTOINCREMENT", "int": "INTEGER", "real": "REAL", "bytes": "BLOB"}
    | {"by_key": " WITHOUT ROWID"}
)
POSTGRES: Mapping[str, str] = MappingProxyType(
    {"numbered": "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "int": "BIGINT", "real": "DOUBLE PRECISION"}
    | {"bytes": "BYTEA", "by_key": ""}
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE instances (number {numbered}, started_at {real} NOT NULL)",
        """CREATE TABLE requests (
            id {int} PRIMARY KEY, instance {int} NOT NULL, request_id TEXT NOT NULL, started_at {real} NOT NULL,
            key TEXT NOT NULL, tenant TEXT NOT NULL, route TEXT NOT NULL, operation TEXT NOT NULL,
            requested_model TEXT NOT NULL, reserved_nano_usd {int} NOT NULL, state TEXT NOT NULL,
            provider TEXT NOT NULL, model TEXT NOT NULL, status {int} NOT NULL, outcome TEXT NOT NULL,
            cache TEXT NOT NULL, input_tokens {int} NOT NULL, cached_input_tokens {int} NOT NULL,
            cache_write_tokens {int} NOT NULL, output_tokens {int} NOT NULL, reasoning_tokens {int} NOT NULL,
            characters {int} NOT NULL, audio_seconds {real} NOT NULL, cost_nano_usd {int},
            is_estimated {int} NOT NULL,
            first_content_ms {real}, total_ms {real} NOT NULL, attempts TEXT NOT NULL)""",
        "CREATE INDEX requests_by_time ON requests (started_at)",
        "CREATE INDEX requests_by_request_id ON requests (request_id)",
        "CREATE INDEX requests_open ON requests (instance) WHERE state = 'open'",
        """CREATE TABLE usage_daily (
            day TEXT NOT NULL, key TEXT NOT NULL, tenant TEXT NOT NULL, route TEXT NOT NULL, operation TEXT NOT NULL,
            requested_model TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, requests {int} NOT NULL,
            errors {int} NOT NULL, unpriced {int} NOT NULL, estimated {int} NOT NULL, cost_nano_usd {int} NOT NULL,
            input_tokens {int} NOT NULL, cached_input_tokens {int} NOT NULL, cache_write_tokens {int} NOT NULL,
            output_tokens {int} NOT NULL, reasoning_tokens {int} NOT NULL, characters {int} NOT NULL,
            audio_seconds {real} NOT NULL,
            PRIMARY KEY (day, key, tenant, route, operation, requested_model, provider, model)){by_key}""",
    ),
    (
        """CREATE TABLE keys (
            id TEXT PRIMARY KEY, seq {int} NOT NULL, name TEXT NOT NULL, tenant TEXT NOT NULL,
            digest {bytes} NOT NULL UNIQUE, scopes TEXT NOT NULL, created_at {real} NOT NULL, expires_at {real},
            revoked_at {real}, role TEXT NOT NULL)""",
        "CREATE INDEX keys_by_seq ON keys (seq)",
    ),
    (
        "ALTER TABLE keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{{}}'",
        "ALTER TABLE keys ADD COLUMN tags TEXT NOT NULL DEFAULT '{{}}'",
        "ALTER TABLE requests ADD COLUMN tags TEXT NOT NULL DEFAULT '{{}}'",
    ),
)
KNOWN = len(MIGRATIONS)


def missing(version: int, words: Mapping[str, str], shown: str) -> list[str]:
    """Return the statements from `version` to ours. Raises LedgerAway where it is newer than we are."""
    if version > KNOWN:
        raise LedgerAway(f"{shown} has version {version}, this gateway knows {KNOWN}: run the newer gateway")
    return [statement.format_map(words) for statements in MIGRATIONS[version:] for statement in statements]

"""The keys table of the ledger's database: made, listed, rotated and revoked here, and read by every process.

A row's `seq` is the number of its last change over all rows, so that who asks for what came after a number misses none:
one transaction changes keys at a time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from gateway import json
from gateway.stores.database import Database, LedgerAway, Lock, at_once
from gateway.stores.database.migrations import KNOWN
from gateway.stores.database.work import Work, fetch, many, sound_text
from gateway.stores.keys.secret import digest_of, new_secret
from gateway.stores.keys.terms import NOTHING
from gateway.types import KeyRole, Scopes

T = TypeVar("T")

FIRST_NAME = "admin"  # of the key that a first start makes
EVERY_TENANT = "*"  # of a key that sees and changes what belongs to anybody

_COLUMNS = "id, name, tenant, digest, scopes, created_at, expires_at, revoked_at, role, limits, tags"
_PLACES = ", ".join(f"${number}" for number in range(1, len(_COLUMNS.split(", ")) + 2))  # and one for seq
_INSERT = f"INSERT INTO keys (seq, {_COLUMNS}) VALUES ({_PLACES})"


class UnknownKey(Exception):
    """No key has this id or name."""


class TakenDigests(Exception):
    """Keys with these secrets are there already: by digest, who has it."""

    def __init__(self, holders: dict[bytes, str]) -> None:
        super().__init__(f"{len(holders)} keys are there already")
        self.holders = holders


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of the table. Times are seconds of the epoch; None: never."""

    id: str
    name: str
    tenant: str
    digest: bytes = field(repr=False)
    scopes: Scopes
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    role: KeyRole = "user"
    limits: str = NOTHING  # as `write_limits` writes them
    tags: str = NOTHING  # as `write_tags` does


class KeyStore:
    """Opens the database for each act, and closes it again: for commands and other threads than the loop's. Blocks."""

    def __init__(self, url: str) -> None:
        self._url = url

    def create(
        self,
        name: str,
        tenant: str,
        scopes: Scopes,
        expires_at: float | None,
        now: float,
        role: KeyRole = "user",
        limits: str = NOTHING,
        tags: str = NOTHING,
    ) -> tuple[StoredKey, str]:
        """Return the new key and its secret, which is kept nowhere. Raises LedgerAway."""
        secret = new_secret()
        key = StoredKey(
            _new_id(),
            sound_text(name),
            sound_text(tenant),
            digest_of(secret),
            scopes,
            created_at=now,
            expires_at=expires_at,
            role=role,
            limits=limits,
            tags=tags,
        )
        self._change(_insert(key))
        return key, secret

    def add(self, keys: Sequence[StoredKey]) -> None:
        """Take keys that were made elsewhere, all of them or none; each gets an id here.

        Raises TakenDigests, LedgerAway.
        """
        self._change(_add([replace(key, id=_new_id()) for key in keys]))

    def create_first(self, now: float) -> str | None:
        """Make the key that may do everything and return its secret; None where any key was ever made. Raises
        LedgerAway."""
        secret = new_secret()
        key = StoredKey(_new_id(), FIRST_NAME, EVERY_TENANT, digest_of(secret), Scopes(), now, role="admin")
        return secret if self._change(_insert_first(key)) else None

    def change(self, key_id: str, change: Callable[[StoredKey], StoredKey]) -> StoredKey:
        """Put what `change` makes of a key in its place, in one transaction with the look at it; what it raises ends
        that. Raises UnknownKey, LedgerAway."""
        return self._change(_replace(key_id, change))

    def rotate(self, id_or_name: str) -> tuple[StoredKey, str]:
        """Give a key another secret; the old one ends at once. Raises UnknownKey, LedgerAway."""
        secret = new_secret()
        return self._change(_rotate(id_or_name, digest_of(secret))), secret

    def revoke(self, id_or_name: str, now: float) -> StoredKey:
        """End a key for good. Raises UnknownKey, LedgerAway."""
        return self._change(_revoke(id_or_name, now))

    def show(self, id_or_name: str) -> StoredKey:
        """Raises UnknownKey, LedgerAway."""
        return self._read(_find(id_or_name))

    def since(self, seq: int) -> tuple[int, list[StoredKey]]:
        """Return the number of the newest change and the keys that changed after `seq`; 0: all. Raises LedgerAway."""
        return self._read(changed_since(seq))

    def _read(self, work: Work[T]) -> T:
        async def found(database: Database) -> T:
            version = await database.version()
            if version < KNOWN:
                raise LedgerAway(
                    f"{database.shown} has version {version}, this gateway reads {KNOWN}: run gateway db migrate"
                )
            return await database.run(work)

        return at_once(self._url, found, read_only=True)

    def _change(self, work: Work[T]) -> T:
        async def changed(database: Database) -> T:
            await database.migrate()
            return await database.run(work, Lock.KEYS)

        return at_once(self._url, changed)


def changed_since(seq: int) -> Work[tuple[int, list[StoredKey]]]:
    """Return the number of the newest change and the keys that changed after `seq`; 0: all."""
    rows = yield from fetch(f"SELECT seq, {_COLUMNS} FROM keys WHERE seq > $1 ORDER BY seq", seq)
    return (rows[-1][0] if rows else seq), [_key(row[1:]) for row in rows]


def _insert(key: StoredKey, seq: int | None = None) -> Work[None]:
    if seq is None:
        seq = yield from _next_seq()
    yield from fetch(_INSERT, seq, *_row(key))


def _add(keys: Iterable[StoredKey]) -> Work[None]:
    rows = yield from fetch("SELECT digest, id, name FROM keys")
    holders = {bytes(digest): f"{name} ({key_id})" for digest, key_id, name in rows}
    taken = {key.digest: holders[key.digest] for key in keys if key.digest in holders}
    if taken:
        raise TakenDigests(taken)
    first = yield from _next_seq()
    yield from many(_INSERT, [(seq, *_row(key)) for seq, key in enumerate(keys, first)])


def _insert_first(key: StoredKey) -> Work[bool]:
    if (yield from fetch("SELECT 1 FROM keys LIMIT 1")):
        return False
    yield from _insert(key)
    return True


def _replace(key_id: str, change: Callable[[StoredKey], StoredKey]) -> Work[StoredKey]:
    rows = yield from fetch(f"SELECT {_COLUMNS} FROM keys WHERE id = $1", sound_text(key_id))
    if not rows:
        raise UnknownKey(f"no key has the id {key_id[:100]!r}")
    key = change(_key(rows[0]))
    seq = yield from _next_seq()  # before the row that may be the newest is gone
    yield from fetch("DELETE FROM keys WHERE id = $1", key.id)
    yield from _insert(key, seq)
    return key


def _rotate(id_or_name: str, digest: bytes) -> Work[StoredKey]:
    key = yield from _find(id_or_name)
    seq = yield from _next_seq()
    yield from fetch("UPDATE keys SET digest = $1, seq = $2 WHERE id = $3", digest, seq, key.id)
    return key


def _revoke(id_or_name: str, now: float) -> Work[StoredKey]:
    key = yield from _find(id_or_name)
    seq = yield from _next_seq()
    yield from fetch("UPDATE keys SET revoked_at = COALESCE(revoked_at, $1), seq = $2 WHERE id = $3", now, seq, key.id)
    return key


def _next_seq() -> Work[int]:
    [(newest,)] = yield from fetch("SELECT COALESCE(MAX(seq), 0) FROM keys")
    return int(newest) + 1


def _find(id_or_name: str) -> Work[StoredKey]:
    """By its id, else by a name that one living key has."""
    rows = yield from fetch(
        f"SELECT {_COLUMNS} FROM keys WHERE id = $1 OR (name = $2 AND revoked_at IS NULL) "
        "ORDER BY CASE id WHEN $3 THEN 0 ELSE 1 END LIMIT 2",
        *[sound_text(id_or_name)] * 3,
    )
    if not rows:
        raise UnknownKey(f"no key has the id or name {id_or_name!r}; `gateway keys list` shows them")
    if len(rows) > 1 and rows[0][0] != id_or_name:
        raise UnknownKey(f"several keys are called {id_or_name!r}; give the id that `gateway keys list` shows")
    return _key(rows[0])


def _new_id() -> str:
    return f"key_{secrets.token_hex(6)}"


def _row(key: StoredKey) -> tuple[Any, ...]:
    scopes = json.dumps(
        {part: [sound_text(text) for text in getattr(key.scopes, part)] for part in Scopes.__slots__}
    ).decode()
    times = key.created_at, key.expires_at, key.revoked_at
    return key.id, key.name, key.tenant, key.digest, scopes, *times, key.role, key.limits, key.tags


def _key(row: Sequence[Any]) -> StoredKey:
    key_id, name, tenant, digest, scopes, created_at, expires_at, revoked_at, *terms = row
    parts = {part: tuple(values) for part, values in json.loads(scopes).items()}
    return StoredKey(key_id, name, tenant, digest, Scopes(**parts), created_at, expires_at, revoked_at, *terms)

"""The store's keys as every request finds them: in memory, by digest, at most POLL_S behind the table."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import cast

from gateway.stores.database import Database, LedgerAway, open_database
from gateway.stores.ending import end
from gateway.stores.keys.store import EVERY_TENANT, KeyStore, StoredKey, changed_since
from gateway.stores.keys.terms import limits_of
from gateway.types import Client, KeyRole, Limit, Scopes

LOGGER = logging.getLogger("gateway")

POLL_S = 0.4  # a key that was revoked anywhere is refused everywhere within a second


class KeyRing:
    """Empty until `start`."""

    def __init__(self) -> None:
        self._clients: dict[bytes, Client] = {}
        self._digests: dict[str, bytes] = {}  # id -> by what it is found, for when that changes
        self._seq = 0
        self.is_in_use = False  # once a key was made it stays so: revoking the last one must not open the door
        self._database: Database | None = None
        self._url = ""
        self._task: asyncio.Task[None] | None = None
        self._scopes: dict[Scopes, Scopes] = {}  # many keys have the same ones: kept once
        self._limits: dict[str, tuple[Limit, ...]] = {}  # so are these, and they are made when a key is read

    @property
    def store(self) -> KeyStore | None:
        """The table that is followed; None where there is none."""
        return KeyStore(self._url) if self._url else None

    def __len__(self) -> int:
        return len(self._clients)

    def find(self, digest: bytes) -> Client | None:
        return self._clients.get(digest)

    def of_id(self, key_id: str) -> Client | None:
        """Return whose key has this id, None where there is none or it was revoked."""
        digest = self._digests.get(key_id)
        return None if digest is None else self._clients.get(digest)

    def held(self, key_id: str) -> tuple[bytes, Client] | None:
        """Return the digest of the key with this id and whose it is, None where there is none or it was revoked."""
        digest = self._digests.get(key_id)
        return None if digest is None else (digest, self._clients[digest])

    def limited(self) -> Iterator[Client]:
        """Yield the clients that have limits of their own."""
        return (client for client in self._clients.values() if client.limits)

    async def start(self, url: str) -> None:
        """Read all keys, then follow their changes. Raises LedgerAway."""
        self._database = open_database(url, read_only=True)
        await self.refresh()
        self._url = url
        self._task = asyncio.create_task(self._follow(), name="keys")

    async def refresh(self) -> None:
        """Read what changed since the last look. Raises LedgerAway."""
        assert self._database is not None
        self._seq, changed = await self._database.run(changed_since(self._seq))
        for key in changed:
            self._take(key)

    async def aclose(self) -> None:
        if self._task is not None:
            await end(self._task)
        if self._database is not None:
            await self._database.aclose()

    def _take(self, key: StoredKey) -> None:
        # The admin's key of the first start is nobody's to call models with: it ends no time without keys.
        if not (key.role == "admin" and key.tenant == EVERY_TENANT):
            self.is_in_use = True
        old = self._digests.pop(key.id, None)
        if old is not None:
            self._clients.pop(old, None)
        if key.revoked_at is None:
            self._digests[key.id] = key.digest
            scopes = self._scopes.setdefault(key.scopes, key.scopes)
            if key.limits not in self._limits:
                self._limits[key.limits] = limits_of(key.limits)
            self._clients[key.digest] = Client(
                key.id,
                sys.intern(key.tenant),
                scopes=scopes,
                expires_at=key.expires_at,
                role=cast(KeyRole, sys.intern(key.role)),
                limits=self._limits[key.limits],
                tags=sys.intern(key.tags),
            )

    async def _follow(self) -> None:
        is_away = False
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.refresh()
            except LedgerAway as error:
                if not is_away:
                    LOGGER.error("%s; the keys that are known serve on", error)
                is_away = True
            else:
                if is_away:
                    LOGGER.warning("the keys are followed again")
                is_away = False

"""Limits and tags in the table: kept, followed, there for rows of before; and keys that were made elsewhere."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from gateway.stores.database import LedgerAway, at_once
from gateway.stores.database.migrations import KNOWN, MIGRATIONS, POSTGRES, SQLITE
from gateway.stores.database.work import Work, fetch
from gateway.stores.keys.ring import KeyRing
from gateway.stores.keys.secret import digest_of
from gateway.stores.keys.store import KeyStore, StoredKey, TakenDigests
from gateway.stores.keys.terms import NOTHING, limits_of, write_limits, write_tags
from gateway.types import Scopes
from tests.stores.entries import asked

NOW = 1_795_608_000.0
LIMITS = write_limits({"requests": "60/minute", "budget": "5 USD/day"})
TAGS = write_tags({"team": "voice"})


@pytest.fixture
def store(url: str) -> KeyStore:
    return KeyStore(url)


def made_elsewhere(name: str, secret: str = "") -> StoredKey:
    digest = hashlib.sha256((secret or name).encode()).digest()
    return StoredKey("", name, "acme", digest, Scopes(), NOW, limits=LIMITS, tags=TAGS)


def test_limits_and_tags_are_kept_with_a_key(store: KeyStore) -> None:
    key, _ = store.create("web", "acme", Scopes(), None, NOW, limits=LIMITS, tags=TAGS)
    assert (key.limits, key.tags) == (LIMITS, TAGS)
    assert store.show("web") == key
    assert store.rotate("web")[0].limits == LIMITS
    plain, _ = store.create("plain", "acme", Scopes(), None, NOW)
    assert (store.show("plain").limits, plain.tags) == (NOTHING, NOTHING)


async def test_equal_limits_of_many_keys_are_one(store: KeyStore, url: str) -> None:
    secrets = [
        (await asyncio.to_thread(store.create, name, "acme", Scopes(), None, NOW, "user", LIMITS, TAGS))[1]
        for name in ("a", "b")
    ]
    await asyncio.to_thread(store.create, "plain", "acme", Scopes(), None, NOW)
    ring = KeyRing()
    await ring.start(url)
    try:
        one, other = (ring.find(digest_of(secret)) for secret in secrets)
        assert one is not None
        assert other is not None
        assert one.limits == limits_of(LIMITS)
        assert one.limits is other.limits
        assert one.tags == TAGS
        assert list(ring.limited()) == [one, other]
    finally:
        await ring.aclose()


def test_rows_from_before_there_were_limits_go_on(url: str) -> None:
    """The tables as version 2 made them, with a key and a request in them."""
    words = SQLITE if url.startswith("sqlite") else POSTGRES
    digest = digest_of("old")

    def before() -> Work[None]:
        for statements in MIGRATIONS[:2]:
            for statement in statements:
                yield from fetch(statement.format_map(words))
        yield from fetch("INSERT INTO keys VALUES ('key_1', 1, 'old', 'acme', $1, '{}', 1, NULL, NULL, 'user')", digest)
        yield from fetch(
            "INSERT INTO requests VALUES (1, 1, 'r', 1, 'key_1', 'acme', 'r', 'chat', 'm', 0, 'settled', 'p', 'm', "
            "200, 'ok', 'off', 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, '[]')"
        )
        if url.startswith("sqlite"):
            yield from fetch("PRAGMA user_version = 2")
        else:
            yield from fetch("CREATE TABLE schema_version (version INTEGER NOT NULL)")
            yield from fetch("INSERT INTO schema_version VALUES (2)")

    at_once(url, lambda database: database.run(before()))
    with pytest.raises(LedgerAway, match=f"has version 2, this gateway reads {KNOWN}: run gateway db migrate"):
        KeyStore(url).show("old")
    assert at_once(url, lambda database: database.migrate())[0] == 2
    key = KeyStore(url).show("old")
    assert (key.name, key.digest, key.limits, key.tags) == ("old", digest, NOTHING, NOTHING)
    assert asked(url, "SELECT tags FROM requests") == [(NOTHING,)]


async def test_keys_that_were_made_elsewhere_are_taken_and_followed(store: KeyStore, url: str) -> None:
    await asyncio.to_thread(store.create, "first", "acme", Scopes(), None, NOW)
    ring = KeyRing()
    await ring.start(url)
    try:
        await asyncio.to_thread(store.add, [made_elsewhere("a"), made_elsewhere("b")])
        await ring.refresh()
        found = ring.find(hashlib.sha256(b"a").digest())
        assert found is not None
        assert (found.limits, found.tags) == (limits_of(LIMITS), TAGS)
        assert found.name.startswith("key_")
        assert len({seq for (seq,) in asked(url, "SELECT seq FROM keys")}) == 3
        await asyncio.to_thread(store.create, "last", "acme", Scopes(), None, NOW)
        await ring.refresh()
        assert len(ring) == 4
    finally:
        await ring.aclose()


def test_one_secret_that_is_there_refuses_all(store: KeyStore) -> None:
    store.add([made_elsewhere("a")])
    with pytest.raises(TakenDigests) as caught:
        store.add([made_elsewhere("b"), made_elsewhere("other", secret="a")])
    [holder] = caught.value.holders.values()
    assert holder.startswith("a (key_")
    assert [key.name for key in store.since(0)[1]] == ["a"]

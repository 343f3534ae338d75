"""The first key of a table is made once, whoever starts beside; a change is judged in the transaction that makes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.stores.keys.ring import KeyRing
from gateway.stores.keys.secret import digest_of
from gateway.stores.keys.store import KeyStore, StoredKey, UnknownKey
from gateway.types import KeyRole, Scopes

NOW = 1_795_608_000.0
ALL = Scopes()


@pytest.fixture
def store(url: str) -> KeyStore:
    return KeyStore(url)


def test_of_many_first_starts_one_makes_the_key(store: KeyStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = [secret for secret in threads.map(lambda _: store.create_first(NOW), range(8)) if secret is not None]
    assert len(made) == 1
    (key,) = store.since(0)[1]
    assert (key.name, key.tenant, key.role, key.scopes, key.expires_at) == ("admin", "*", "admin", ALL, None)
    assert key.digest == digest_of(made[0])


def test_where_any_key_was_ever_made_there_is_no_first(store: KeyStore) -> None:
    key, _ = store.create("web", "acme", ALL, None, NOW)
    store.revoke(key.id, NOW)
    assert store.create_first(NOW) is None


def test_a_change_puts_all_of_a_key_in_its_place_and_is_followed(store: KeyStore) -> None:
    key, _ = store.create("web", "acme", ALL, None, NOW)
    seen, _ = store.since(0)
    changed = store.change(key.id, lambda found: replace(found, name="site", expires_at=NOW + 1))
    assert changed == replace(key, name="site", expires_at=NOW + 1) == store.show(key.id)
    assert store.since(seen)[1] == [changed]


def test_a_change_that_is_refused_leaves_everything_as_it_was(store: KeyStore) -> None:
    key, _ = store.create("web", "acme", ALL, None, NOW)

    def refuse(found: StoredKey) -> StoredKey:
        raise ValueError(found.id)

    with pytest.raises(ValueError, match=key.id):
        store.change(key.id, refuse)
    assert store.show(key.id) == key
    for wanted in ("web", "", "key_0"):  # by the id alone
        with pytest.raises(UnknownKey):
            store.change(wanted, lambda found: found)


@pytest.mark.parametrize(
    ("role", "tenant", "is_in_use"),
    [("admin", "*", False), ("operator", "*", True), ("user", "*", True), ("admin", "acme", True)],
)
async def test_every_key_but_an_admins_of_every_tenant_is_one_in_use(
    store: KeyStore, url: str, role: KeyRole, tenant: str, is_in_use: bool
) -> None:
    _, secret = store.create("some", tenant, ALL, None, NOW, role)
    ring = KeyRing()
    await ring.start(url)
    try:
        assert ring.is_in_use is is_in_use
        found = ring.find(digest_of(secret))
        assert found is not None
        assert (found.role, found.tenant) == (role, tenant)
    finally:
        await ring.aclose()

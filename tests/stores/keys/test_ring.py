"""The store's keys in memory: what changes is followed, and 100,000 of them stay small and are found at once."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from dataclasses import replace

import pytest

from gateway.stores.keys.ring import KeyRing
from gateway.stores.keys.secret import digest_of
from gateway.stores.keys.store import KeyStore, StoredKey, UnknownKey
from gateway.stores.keys.terms import write_limits, write_tags
from gateway.stores.ledger import LedgerAway
from gateway.types import Client, Scopes
from tests.harness import ROOT
from tests.stores.entries import asked
from tests.stores.ledger.test_rows import HOSTILE

NOW = 1_795_608_000.0
ALL = Scopes()


async def started(url: str) -> KeyRing:
    ring = KeyRing()
    await ring.start(url)
    return ring


def test_a_key_is_made_shown_and_found_again_without_its_secret(url: str) -> None:
    store = KeyStore(url)
    scopes = Scopes(models=("fast*",), operations=("chat",))
    key, secret = store.create("web", "acme", scopes, NOW + 1, NOW)
    assert store.show("web") == store.show(key.id) == key
    assert (key.digest, key.tenant, key.scopes, key.expires_at) == (digest_of(secret), "acme", scopes, NOW + 1)
    kept = asked(url, "SELECT * FROM keys")
    assert len(kept) == 1
    assert secret not in str(kept)


@pytest.mark.parametrize("name", ["nobody", "", "x' OR '1'='1", "key_0"])
def test_a_key_that_is_none_is_named(url: str, name: str) -> None:
    store = KeyStore(url)
    store.create("web", "acme", ALL, None, NOW)
    for act in (store.show, store.rotate, lambda key: store.revoke(key, NOW)):
        with pytest.raises(UnknownKey, match="gateway keys list"):
            act(name)


def test_a_name_that_two_keys_have_is_not_guessed(url: str) -> None:
    store = KeyStore(url)
    first, _ = store.create("web", "acme", ALL, None, NOW)
    second, _ = store.create("web", "acme", ALL, None, NOW)
    with pytest.raises(UnknownKey, match="several keys"):
        store.revoke("web", NOW)
    store.revoke(first.id, NOW)
    assert store.show("web").id == second.id


async def test_a_ring_follows_what_is_made_rotated_and_revoked(url: str) -> None:
    store = KeyStore(url)
    key, secret = store.create("web", "acme", ALL, None, NOW)
    ring = await started(url)
    assert ring.find(digest_of(secret)) == Client(key.id, "acme")
    _, other = store.rotate("web")
    await ring.refresh()
    assert ring.find(digest_of(secret)) is None
    assert ring.find(digest_of(other)) == Client(key.id, "acme")
    store.revoke("web", NOW)
    await ring.refresh()
    assert ring.find(digest_of(other)) is None
    assert len(ring) == 0
    await ring.aclose()


async def test_without_tables_there_is_nothing_to_follow(url: str) -> None:
    ring = KeyRing()
    with pytest.raises(LedgerAway, match="cannot be"):
        await ring.start(url)
    await ring.aclose()


async def test_changes_from_many_places_at_once_are_all_followed(url: str) -> None:
    store = KeyStore(url)
    store.create("first", "acme", ALL, None, NOW)
    ring = await started(url)
    made = await asyncio.gather(
        *(asyncio.to_thread(store.create, f"web-{number}", "acme", ALL, None, NOW) for number in range(12))
    )
    async with asyncio.timeout(1):
        while not all(ring.find(digest_of(secret)) for _, secret in made):
            await asyncio.sleep(0.05)
    assert len({seq for (seq,) in asked(url, "SELECT seq FROM keys")}) == 13
    await ring.aclose()


async def test_a_key_of_another_process_is_followed_within_a_second(url: str) -> None:
    store = KeyStore(url)
    _, old = store.create("old", "acme", ALL, None, NOW)
    ring = await started(url)
    script = (
        "import sys; from gateway.stores.keys.store import KeyStore; from gateway.types import Scopes\n"
        "store = KeyStore(sys.argv[1]); store.revoke('old', 1.0)\n"
        "print(store.create('new', 'acme', Scopes(), None, 1.0)[1])"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await child.communicate()
    async with asyncio.timeout(1):
        while ring.find(digest_of(said.decode().strip())) is None or ring.find(digest_of(old)) is not None:
            await asyncio.sleep(0.05)
    await ring.aclose()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_a_name_and_never_part_of_a_statement(url: str, text: str) -> None:
    store = KeyStore(url)
    key, _ = store.create(text, text, ALL, None, NOW)
    assert store.show(text) == store.show(key.id) == key
    with pytest.raises(UnknownKey):
        store.rotate(f"{text}' OR '1'='1")
    assert store.revoke(text, NOW).id == key.id


@pytest.mark.slow
@pytest.mark.parametrize("is_limited", [False, True])
async def test_a_hundred_thousand_keys_take_at_most_half_a_kilobyte_each(is_limited: bool) -> None:
    ring = KeyRing()
    scopes = [Scopes(models=(f"model-{number}",)) for number in range(100)]
    limits = [write_limits({"requests": f"{number}/minute", "budget": "5 USD/day"}) for number in range(1, 101)]
    tags = [write_tags({"team": f"team-{number}", "stage": "live"}) for number in range(100)]
    tracemalloc.start()
    for number in range(100_000):
        digest, kind = digest_of(str(number)), number % 100
        key = StoredKey(f"key_{number:012x}", "web", f"tenant-{kind}", digest, scopes[kind], NOW, NOW + number)
        if is_limited:  # texts of their own, as rows have them
            key = replace(key, limits=limits[kind][:1] + limits[kind][1:], tags=tags[kind][:1] + tags[kind][1:])
        ring._take(key)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(ring) <= 512
    found = ring.find(digest_of("99999"))
    assert found is not None
    assert bool(found.limits) is is_limited

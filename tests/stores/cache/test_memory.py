"""Answers in memory: never more bytes than allowed, the longest unused goes first, and nothing outlives its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.cache import Entry, Purge
from gateway.stores.cache.memory import MemoryStore
from tests.given import Clock
from tests.stores.cache.kept import entry, key, text_of


def filled(*sizes: int, max_bytes: int = 100) -> MemoryStore:
    """Return a store that was given entries `0`, `1`, … of these sizes in this order."""
    store = MemoryStore(max_bytes, Clock())
    for index, size in enumerate(sizes):
        store.put(key(str(index)), entry(size))
    return store


def kept(store: MemoryStore, count: int = 10) -> list[int]:
    return [index for index in range(count) if key(str(index)).id in store._entries]


@pytest.mark.parametrize(("size", "is_kept"), [(99, True), (100, True), (101, False)])
def test_one_entry_may_be_as_large_as_the_store(size: int, is_kept: bool) -> None:
    store = filled(size)
    assert (store.get(key("0")) is not None) == is_kept
    assert store.size_bytes == (size if is_kept else 0)


@pytest.mark.parametrize(("last", "expected"), [(39, [0, 1, 2]), (40, [0, 1, 2]), (41, [1, 2]), (71, [2]), (100, [2])])
def test_the_oldest_go_until_the_newest_fits(last: int, expected: list[int]) -> None:
    store = filled(30, 30, last)
    assert kept(store) == expected
    assert store.size_bytes <= 100


def test_what_was_used_longest_ago_goes_first() -> None:
    store = filled(30, 30, 30)
    assert store.get(key("0")) is not None
    store.put(key("3"), entry(30, ttl_s=60))
    assert kept(store) == [0, 2, 3]


def test_what_does_not_fit_drives_nothing_out_but_its_own_older_answer() -> None:
    store = filled(30, 30)
    store.put(key("2"), entry(101, ttl_s=60))
    assert kept(store) == [0, 1]
    store.put(key("1"), entry(101, ttl_s=60))
    assert kept(store) == [0]


def test_a_key_put_again_counts_once() -> None:
    store = filled(30)
    store.put(key("0"), entry(50, "new"))
    assert text_of(store.get(key("0"))) == "new"
    assert (len(store), store.size_bytes) == (1, 50)


@pytest.mark.parametrize(("later_s", "is_there"), [(0, True), (59.999, True), (60, False), (3600, False)])
def test_an_entry_is_there_until_its_time_is_over(later_s: float, is_there: bool) -> None:
    clock = Clock()
    store = MemoryStore(100, clock)
    store.put(key("k"), entry(30, ttl_s=60))
    clock.now_s += later_s
    assert (store.get(key("k")) is not None) == is_there
    assert store.size_bytes == (30 if is_there else 0)


def test_using_an_entry_does_not_lengthen_its_life() -> None:
    clock = Clock()
    store = MemoryStore(100, clock)
    store.put(key("k"), entry(30, ttl_s=60))
    clock.now_s += 40
    assert store.get(key("k")) is not None
    clock.now_s += 20
    assert store.get(key("k")) is None


@pytest.mark.parametrize("ttl_s", [0, -1])
def test_no_time_to_live_keeps_nothing(ttl_s: float) -> None:
    store = MemoryStore(100, Clock())
    store.put(key("k"), entry(1, ttl_s=ttl_s))
    assert len(store) == 0


def test_a_smaller_bound_after_a_reload_holds_at_once() -> None:
    store = filled(30, 30, 30)
    store.max_bytes = 60
    assert (kept(store), store.size_bytes) == ([1, 2], 60)
    store.max_bytes = 0
    assert (kept(store), store.size_bytes) == ([], 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "wait", "bound"]), st.integers(0, 5), st.integers(0, 60)), max_size=60
    )
)
def test_the_store_never_holds_more_than_its_bound_and_counts_right(steps: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    store = MemoryStore(100, clock)
    model: dict[str, tuple[float, Entry]] = {}  # what could be there
    for operation, index, amount in steps:
        at = key(str(index))
        if operation == "put":
            new = entry(amount, str(clock.now_s), ttl_s=10, now=clock.now_s)
            store.put(at, new)
            model[at.id] = (clock.now_s + 10, new)
        elif operation == "get":
            found = store.get(at)
            if found is not None:
                expires_s, newest = model[at.id]
                assert found is newest
                assert clock.now_s < expires_s
        elif operation == "wait":
            clock.now_s += amount / 10
        else:
            store.max_bytes = amount * 2
        assert store.size_bytes == sum(held.size_bytes for _, held in store._entries.values()) <= store.max_bytes


def test_a_fallbacks_answer_stands_beside_that_of_the_first_choice() -> None:
    store = filled(10)
    store.put(key("0").of("second/model"), entry(10, "fallback"))
    assert text_of(store.get(key("0"))) == ""
    assert text_of(store.get(key("0").of("second/model"))) == "fallback"
    assert store.get(key("0").of("third/model")) is None


PURGES = [
    (Purge(), 5),
    (Purge(tenant="tenant-1"), 4),
    (Purge(tenant="tenant-2"), 1),
    (Purge(tenant="tenant"), 0),
    (Purge(route="POST /v1/audio/speech"), 1),
    (Purge(digest=key("0").digest), 3),  # with the fallback's, and under any tenant that has it
    (Purge(digest=key("0").digest, tenant="tenant-2"), 1),
    (Purge(tenant="tenant-2", route="POST /v1/audio/speech"), 0),
]


@pytest.mark.parametrize(("what", "count"), PURGES)
def test_what_agrees_is_purged_and_nothing_else(what: Purge, count: int) -> None:
    store = MemoryStore(1000, Clock())
    keys = [
        key("0"),
        key("0").of("second/model"),
        key("0", tenant="tenant-2"),
        key("1"),
        key("2", route="POST /v1/audio/speech"),
    ]
    for each in keys:
        # One request has another digest under another tenant; here the same one shows that each part is looked at.
        store.put(replace(each, slot=each.slot or each.tenant_tag), entry(10))
    assert store.purge(what) == count
    assert (len(store), store.size_bytes) == (5 - count, 10 * (5 - count))


@pytest.mark.parametrize(("before", "count"), [(999_999.9, 0), (1_000_000.0, 1), (1_000_000.1, 1)])
def test_a_purge_that_is_heard_of_late_spares_what_came_since(before: float, count: int) -> None:
    store = filled(10)
    assert store.purge(Purge(), before) == count

"""Answers in memory: never more bytes than allowed, the longest unused goes first, and nothing outlives its time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.cache import CacheStore, Entry
from gateway.types import TextDelta
from tests.given import Clock


def entry(size_bytes: int, text: str = "") -> Entry:
    return Entry((TextDelta(text),), "vendor/model", size_bytes)


def filled(*sizes: int, max_bytes: int = 100) -> CacheStore:
    """Return a store that was given entries `0`, `1`, … of these sizes in this order."""
    store = CacheStore(max_bytes, Clock())
    for index, size in enumerate(sizes):
        store.put(b"%d" % index, entry(size), 60)
    return store


def kept(store: CacheStore, count: int = 10) -> list[int]:
    return [index for index in range(count) if store._entries.get(b"%d" % index)]


@pytest.mark.parametrize(("size", "is_kept"), [(99, True), (100, True), (101, False)])
def test_one_entry_may_be_as_large_as_the_store(size: int, is_kept: bool) -> None:
    store = filled(size)
    assert (store.get(b"0") is not None) == is_kept
    assert store.size_bytes == (size if is_kept else 0)


@pytest.mark.parametrize(("last", "expected"), [(39, [0, 1, 2]), (40, [0, 1, 2]), (41, [1, 2]), (71, [2]), (100, [2])])
def test_the_oldest_go_until_the_newest_fits(last: int, expected: list[int]) -> None:
    store = filled(30, 30, last)
    assert kept(store) == expected
    assert store.size_bytes <= 100


def test_what_was_used_longest_ago_goes_first() -> None:
    store = filled(30, 30, 30)
    assert store.get(b"0") is not None
    store.put(b"3", entry(30), 60)
    assert kept(store) == [0, 2, 3]


def test_what_does_not_fit_drives_nothing_out_but_its_own_older_answer() -> None:
    store = filled(30, 30)
    store.put(b"2", entry(101), 60)
    assert kept(store) == [0, 1]
    store.put(b"1", entry(101), 60)
    assert kept(store) == [0]


def test_a_key_put_again_counts_once() -> None:
    store = filled(30)
    store.put(b"0", entry(50, "new"), 60)
    found = store.get(b"0")
    assert found is not None
    assert found.events == (TextDelta("new"),)
    assert (len(store), store.size_bytes) == (1, 50)


@pytest.mark.parametrize(("later_s", "is_there"), [(0, True), (59.999, True), (60, False), (3600, False)])
def test_an_entry_is_there_until_its_time_is_over(later_s: float, is_there: bool) -> None:
    clock = Clock()
    store = CacheStore(100, clock)
    store.put(b"k", entry(30), 60)
    clock.now_s += later_s
    assert (store.get(b"k") is not None) == is_there
    assert store.size_bytes == (30 if is_there else 0)


def test_using_an_entry_does_not_lengthen_its_life() -> None:
    clock = Clock()
    store = CacheStore(100, clock)
    store.put(b"k", entry(30), 60)
    clock.now_s += 40
    assert store.get(b"k") is not None
    clock.now_s += 20
    assert store.get(b"k") is None


@pytest.mark.parametrize("ttl_s", [0, -1])
def test_no_time_to_live_keeps_nothing(ttl_s: float) -> None:
    store = CacheStore(100, Clock())
    store.put(b"k", entry(1), ttl_s)
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
    store = CacheStore(100, clock)
    model: dict[bytes, tuple[float, Entry]] = {}  # what could be there
    for operation, index, amount in steps:
        key = b"%d" % index
        if operation == "put":
            new = entry(amount, str(clock.now_s))
            store.put(key, new, 10)
            model[key] = (clock.now_s + 10, new)
        elif operation == "get":
            found = store.get(key)
            if found is not None:
                expires_s, newest = model[key]
                assert found is newest
                assert clock.now_s < expires_s
        elif operation == "wait":
            clock.now_s += amount / 10
        else:
            store.max_bytes = amount * 2
        assert store.size_bytes == sum(held.size_bytes for _, held in store._entries.values()) <= store.max_bytes

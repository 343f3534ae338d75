"""Thinking is kept by bytes, by time and by owner."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.thoughts import ENTRY_BYTES, MAX_OWNER_SHARE, Thoughts, ThoughtStore
from gateway.types import Thinking


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def thoughts(size: int) -> Thoughts:
    """Return thoughts of `size` bytes beyond their objects."""
    return Thoughts((Thinking("", "s" * size, vendor="v"),), is_first=True, target="p/m")


def test_what_was_kept_is_had_back_by_its_owner_alone() -> None:
    store = ThoughtStore(Clock())
    store.put("mine", "call", thoughts(10))

    assert store.get("mine", "call") == thoughts(10)
    assert store.get("yours", "call") is None
    assert store.get("mine", "other") is None


def test_it_is_forgotten_at_its_time_and_not_before() -> None:
    clock = Clock()
    store = ThoughtStore(clock, ttl_s=10)
    store.put("a", "call", thoughts(1))
    clock.now_s = 9.9
    assert store.get("a", "call") is not None
    clock.now_s = 10.0
    assert store.get("a", "call") is None
    store.put("b", "call", thoughts(1))
    assert len(store) == 1


def test_an_owner_forgets_his_own_oldest_first() -> None:
    size = ENTRY_BYTES + 100
    store = ThoughtStore(Clock(), max_bytes=2 * size * MAX_OWNER_SHARE)
    store.put("other", "kept", thoughts(100))
    for name in ("one", "two", "three"):
        store.put("flood", name, thoughts(100))

    assert store.get("flood", "one") is None
    assert store.get("flood", "two") is not None
    assert store.get("flood", "three") is not None
    assert store.get("other", "kept") is not None


def test_what_is_larger_than_a_share_is_not_kept() -> None:
    share = ENTRY_BYTES + 100
    store = ThoughtStore(Clock(), max_bytes=share * MAX_OWNER_SHARE)
    store.put("a", "fits", thoughts(100))
    store.put("b", "large", thoughts(101))

    assert store.get("a", "fits") is not None
    assert store.get("b", "large") is None
    assert store.size_bytes == share


_puts = st.tuples(st.sampled_from("abc"), st.sampled_from("123456"), st.integers(0, 2000), st.floats(0, 5))


@given(st.lists(_puts, max_size=60))
def test_the_bytes_are_those_of_what_is_kept_and_never_too_many(puts: list[tuple[str, str, int, float]]) -> None:
    clock = Clock()
    store = ThoughtStore(clock, max_bytes=8_000, ttl_s=20)
    for owner, call_id, size, wait_s in puts:
        store.put(owner, call_id, thoughts(size))
        clock.now_s += wait_s
        kept = [entry for _, entry in store._entries.values()]
        assert store.size_bytes == sum(entry.size_bytes for entry in kept) <= 8_000
        assert sum(store._owner_bytes.values()) == store.size_bytes
